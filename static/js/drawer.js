// <studio-drawer>: a drawer has its own address; script adds focus, Escape and closing without a page load.

// What opened the first drawer of a row of them (next row, next row): that is where the focus goes back to.
let opener = null;

class StudioDrawer extends HTMLElement {
  connectedCallback() {
    const from = document.activeElement;
    if (from && from !== document.body && !from.closest("#drawer")) opener = from;
    this.panel = this.querySelector(".drawer");
    this.panel?.focus({ preventScroll: true });
    this.addEventListener("click", this);
    document.addEventListener("keydown", this);
  }

  disconnectedCallback() {
    document.removeEventListener("keydown", this);
  }

  handleEvent(event) {
    if (event.type === "click" && event.target.closest("[data-drawer-close], .drawer-backdrop")) this.close(event);
    if (event.type !== "keydown" || document.querySelector("dialog[open], details.menu[open]")) return;
    if (event.key === "Escape") this.close(event);
    if (event.key === "Tab") this.keepFocus(event);
  }

  close(event) {
    const link = this.querySelector("[data-drawer-close]");
    // The page under a drawer is already here when htmx brought the drawer in: only the address has to change back.
    if (!this.closest("[data-drawer-page]") && link) {
      event.preventDefault();
      history.pushState({}, "", link.href);
      this.remove();
      if (opener?.isConnected) opener.focus();
      document.dispatchEvent(new CustomEvent("studio:drawer-closed"));
    }
  }

  keepFocus(event) {
    const spots = [...this.panel.querySelectorAll("a[href], button:not(:disabled), input, select, textarea, summary, [tabindex='0']")].filter((spot) => spot.offsetParent);
    if (!spots.length) return;
    const first = spots[0];
    const last = spots.at(-1);
    if (event.shiftKey && (document.activeElement === first || document.activeElement === this.panel)) {
      last.focus();
      event.preventDefault();
    } else if (!event.shiftKey && document.activeElement === last) {
      first.focus();
      event.preventDefault();
    }
  }
}

customElements.define("studio-drawer", StudioDrawer);
