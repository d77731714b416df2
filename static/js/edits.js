// Editing rows: ticks choose the rows that a bulk action is for; "x" ticks the row at hand; a form takes over another's text.
import { typing } from "./keys.js";

const ticks = () => [...document.querySelectorAll('input[type="checkbox"][name="rid"][form="bulk"]')];

/** Say how many rows the buttons are for. */
function count() {
  const form = document.querySelector("[data-bulk]");
  if (!form) return;
  const all = ticks();
  const chosen = all.filter((tick) => tick.checked).length;
  const text = form.querySelector("[data-ticked]");
  text.textContent = chosen ? `${chosen} ${chosen === 1 ? "row" : "rows"} ticked` : text.dataset.all;
  const box = form.querySelector("[data-tick-all]");
  box.checked = chosen > 0 && chosen === all.length;
  box.indeterminate = chosen > 0 && chosen < all.length;
}

let last = null;

document.addEventListener("click", (event) => {
  const tick = event.target.closest?.('input[name="rid"][form="bulk"]');
  if (tick) {
    // Shift ticks everything between this row and the one before.
    const all = ticks();
    if (event.shiftKey && last && all.includes(last)) {
      const [from, to] = [all.indexOf(last), all.indexOf(tick)].sort((a, b) => a - b);
      for (const between of all.slice(from, to + 1)) between.checked = tick.checked;
    }
    last = tick;
    count();
  }
  const take = event.target.closest?.("[data-take]");
  if (take) {
    const field = document.getElementById(take.dataset.take);
    const theirs = document.querySelector(`[data-theirs="${CSS.escape(take.dataset.take)}"]`);
    field.value = theirs.textContent;
    field.focus();
  }
});

document.addEventListener("change", (event) => {
  if (!event.target.matches?.("[data-tick-all]")) return;
  for (const tick of ticks()) tick.checked = event.target.checked;
  count();
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "x" || event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
  const tick = document.activeElement?.closest("tr")?.querySelector('input[name="rid"][form="bulk"]');
  if (!tick) return;
  tick.checked = !tick.checked;
  count();
});

document.addEventListener("htmx:after:swap", count);
addEventListener("pageshow", count);
count();
