// Keys of the rows of an evaluation while none is open: j and k move, Enter opens the marked row, f flags it.
import { typing } from "./keys.js";

const links = () => [...document.querySelectorAll("[data-row-list] [data-row-open]")];
const marked = () => document.querySelector("[data-row-list] tr[aria-selected]");

function mark(link) {
  marked()?.removeAttribute("aria-selected");
  link.closest("tr").setAttribute("aria-selected", "true");
  link.focus({ preventScroll: true });
  link.scrollIntoView({ block: "nearest" });
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || typing(event.target)) return;
  // An open row has its own j, k and f.
  if (document.querySelector("dialog[open], #drawer .drawer")) return;
  if (event.key === "f") {
    const flag = marked()?.querySelector("[data-row-flag]");
    if (flag) { event.preventDefault(); flag.click(); }
    return;
  }
  if (!["j", "k"].includes(event.key)) return;
  const all = links();
  if (!all.length) return;
  const at = all.findIndex((link) => link.closest("tr").hasAttribute("aria-selected"));
  event.preventDefault();
  mark(all[Math.min(Math.max(at + (event.key === "j" ? 1 : -1), 0), all.length - 1)]);
});

// A row that was stepped to inside the drawer is marked in the table too.
document.addEventListener("htmx:after:swap", () => {
  const row = new URLSearchParams(location.search).get("row");
  if (!row || !document.querySelector("#drawer .drawer")) return;
  const here = links().find((link) => new URL(link.href).searchParams.get("row") === row);
  marked()?.removeAttribute("aria-selected");
  here?.closest("tr").setAttribute("aria-selected", "true");
});
