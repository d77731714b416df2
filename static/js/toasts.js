// <studio-toast>: goes away by itself unless the reader is on it; an error stays until it is dismissed.
class StudioToast extends HTMLElement {
  connectedCallback() {
    this.addEventListener("click", (event) => {
      if (event.target.closest("[data-toast-close]")) this.remove();
    });
    if (this.classList.contains("toast-error")) return;
    this.left = 7000;
    this.tick = setInterval(() => {
      if (this.matches(":hover, :focus-within") || document.hidden) return;
      this.left -= 250;
      if (this.left <= 0) this.remove();
    }, 250);
  }

  disconnectedCallback() {
    clearInterval(this.tick);
  }
}

customElements.define("studio-toast", StudioToast);

/** Show a toast; `undo`, when given, is called by its Undo button. */
export function toast(text, { tone = "info", undo = null } = {}) {
  const element = document.createElement("studio-toast");
  element.className = `toast toast-${tone}`;
  const words = document.createElement("span");
  words.className = "toast-text";
  words.textContent = text;
  element.append(words);
  if (undo) element.append(button("Undo", () => { element.remove(); undo(); }));
  element.append(button("Dismiss", () => element.remove()));
  document.getElementById("toasts")?.append(element);
  return element;
}

function button(text, act) {
  const element = document.createElement("button");
  element.type = "button";
  element.className = "btn btn-ghost btn-sm";
  element.textContent = text;
  element.addEventListener("click", act);
  return element;
}

// The server shows one with the response header HX-Trigger: {"studio:toast": {"text": "…", "tone": "success"}}
document.addEventListener("studio:toast", (event) => toast(event.detail.text ?? event.detail.value ?? "", { tone: event.detail.tone }));

// A request that never reached the server must not look like a click that did nothing.
document.addEventListener("htmx:error", (event) => {
  if (event.detail?.ctx?.sourceElement?.closest?.("[hx-trigger*='every']")) return;
  if (!document.querySelector("[data-offline]")) toast("The Studio did not answer. Check that it is running, then try again.", { tone: "error" }).dataset.offline = "";
});
