// <log-view>: a log that grows at its end. Whoever reads its last line keeps seeing the last line; whoever scrolled up stays where
// they are. The oldest lines leave the page when there are very many.
const MOST = 5000;

class LogView extends HTMLElement {
  connectedCallback() {
    this.scrollTop = this.scrollHeight;
    this.atEnd = true;
    this.addEventListener("scroll", () => { this.atEnd = this.scrollHeight - this.scrollTop - this.clientHeight < 24; }, { passive: true });
    this.watcher = new MutationObserver(() => this.grown());
    this.watcher.observe(this, { childList: true });
  }

  disconnectedCallback() {
    this.watcher.disconnect();
  }

  grown() {
    if (!this.atEnd) return;
    while (this.childElementCount > MOST) this.firstElementChild.remove();
    this.scrollTop = this.scrollHeight;
  }
}

customElements.define("log-view", LogView);
