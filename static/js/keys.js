// Keyboard: "g v" goes to the vault, "?" lists the shortcuts, and any control with data-key answers its key.
const mac = /Mac|iPhone|iPad/.test(navigator.platform);
for (const key of document.querySelectorAll("[data-mod-key]")) key.textContent = `${mac ? "⌘" : "Ctrl"} ${key.dataset.modKey}`;

let first = "";
let timer = 0;

/** Whether the reader is typing, so that letters are letters. */
export function typing(target) {
  return Boolean(target.closest?.("input, textarea, select, [contenteditable], [role='textbox']"));
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target) || document.querySelector("dialog[open]")) return;
  if (event.key === "?") {
    document.getElementById("keys")?.showModal();
    event.preventDefault();
    return;
  }
  if (first === "g") {
    const link = document.querySelector(`[data-go="g ${CSS.escape(event.key)}"]`);
    first = "";
    if (link) {
      location.assign(link.href);
      event.preventDefault();
      return;
    }
  }
  if (event.key === "g") {
    first = "g";
    clearTimeout(timer);
    timer = setTimeout(() => { first = ""; }, 900);
    return;
  }
  const wanted = `[data-key="${CSS.escape(event.key)}"]`;
  const control = document.querySelector(`#drawer ${wanted}`) ?? document.querySelector(wanted);
  if (control) {
    event.preventDefault();
    if (control.matches("input, textarea, select")) control.focus();
    else control.click();
  }
});

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-keys-open]")) document.getElementById("keys")?.showModal();
});
