// <copy-block>: a [data-copy] button puts its [data-copy-source] (or its <code>) on the clipboard and says so.
class CopyBlock extends HTMLElement {
  connectedCallback() {
    this.addEventListener("click", this);
  }

  async handleEvent(event) {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    event.preventDefault();
    const text = (this.querySelector("[data-copy-source]") ?? this.querySelector("code"))?.textContent ?? "";
    const done = await put(text.replace(/\n$/, ""));
    const word = button.querySelector("[data-copy-text]");
    const before = word?.textContent;
    if (word) word.textContent = done ? "Copied" : "Press Ctrl C";
    button.toggleAttribute("data-copied", done);
    this.announce(done ? "Copied" : "Could not copy");
    setTimeout(() => {
      if (word) word.textContent = before;
      button.removeAttribute("data-copied");
    }, 1600);
  }

  announce(text) {
    let live = this.querySelector("[data-copy-live]");
    if (!live) {
      live = document.createElement("span");
      live.className = "sr";
      live.dataset.copyLive = "";
      live.setAttribute("role", "status");
      this.append(live);
    }
    live.textContent = text;
  }
}

async function put(text) {
  if (navigator.clipboard && window.isSecureContext) {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      return false;
    }
  }
  // Plain http on another machine has no clipboard API; the old command still works there.
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "sr";
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  return done;
}

customElements.define("copy-block", CopyBlock);
