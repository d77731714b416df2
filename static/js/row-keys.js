// The row browser's keys while no row is open: j and k move along the rows, Enter opens the one that is marked.
import { typing } from "./keys.js";

const links = () => [...document.querySelectorAll("#browser .rows-table .row-link")];

function mark(link) {
  for (const row of document.querySelectorAll("#browser .rows-table tr[aria-selected]")) row.removeAttribute("aria-selected");
  link.closest("tr").setAttribute("aria-selected", "true");
  link.focus({ preventScroll: true });
  link.scrollIntoView({ block: "nearest" });
}

document.addEventListener("keydown", (event) => {
  if (!["j", "k"].includes(event.key) || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  // An open row has its own j and k: the next and the previous row.
  if (typing(event.target) || document.querySelector("dialog[open], #drawer .drawer")) return;
  const all = links();
  if (!all.length) return;
  const at = all.findIndex((link) => link.closest("tr").hasAttribute("aria-selected"));
  const wanted = all[Math.min(Math.max(at + (event.key === "j" ? 1 : -1), 0), all.length - 1)];
  event.preventDefault();
  mark(wanted);
});

// A row that was stepped to inside the drawer is marked in the table too, so that the reader sees where he is.
document.addEventListener("htmx:after:swap", () => {
  if (!document.querySelector("#drawer .drawer")) return;
  const here = links().find((link) => new URL(link.href).pathname === location.pathname);
  for (const row of document.querySelectorAll("#browser .rows-table tr[aria-selected]")) row.removeAttribute("aria-selected");
  here?.closest("tr").setAttribute("aria-selected", "true");
});

// What a page can do with keys stands first in the list that "?" opens.
for (const own of document.querySelectorAll("template[data-keys]")) document.getElementById("keys-list")?.prepend(own.content.cloneNode(true));
