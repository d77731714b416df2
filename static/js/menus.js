// Menus are <details>: they open without script. Script adds: one at a time, Escape, a click outside, arrow keys.
const open = () => [...document.querySelectorAll("details.menu[open]")];

document.addEventListener("click", (event) => {
  for (const menu of open()) {
    const inside = menu.contains(event.target);
    const chosen = inside && event.target.closest(".menu-item") && !event.target.closest("[data-menu-stay]");
    if (!inside || chosen) menu.open = false;
  }
});

// A menu that would leave the window is moved into it: on a phone its button may stand at either side.
document.addEventListener("toggle", (event) => {
  const list = event.target.matches?.("details.menu[open]") && event.target.querySelector(".menu-list");
  if (!list) return;
  list.style.translate = "";
  const { left, right } = list.getBoundingClientRect();
  const room = document.documentElement.clientWidth;
  const edge = 8;
  const shift = left < edge ? edge - left : right > room - edge ? Math.max(edge - left, room - edge - right) : 0;
  if (shift) list.style.translate = `${Math.round(shift)}px`;
}, true);

document.addEventListener("keydown", (event) => {
  const menu = event.target.closest?.("details.menu[open]") ?? open()[0];
  if (!menu) return;
  if (event.key === "Escape") {
    menu.open = false;
    menu.querySelector("summary").focus();
    event.stopPropagation();
    event.preventDefault();
  }
  if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    const items = [...menu.querySelectorAll(".menu-item")];
    if (!items.length) return;
    const at = items.indexOf(document.activeElement);
    const step = event.key === "ArrowDown" ? 1 : -1;
    items[(at + step + items.length) % items.length].focus();
    event.preventDefault();
  }
}, true);
