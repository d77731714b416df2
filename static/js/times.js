// <relative-time>: keeps "3 min ago" true and gives the absolute time in the reader's own zone on hover.
const SPACE = "\u00a0";
const steps = [[3600, 60, "min"], [86400, 3600, "h"], [2592000, 86400, "d"]];
const absolute = new Intl.DateTimeFormat(undefined, { dateStyle: "long", timeStyle: "short" });
const day = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", year: "numeric" });

export function ago(date, now = Date.now()) {
  const seconds = (now - date.getTime()) / 1000;
  const size = Math.abs(seconds);
  if (size < 45) return seconds >= 0 ? "just now" : "in a moment";
  for (const [limit, unit, name] of steps) {
    if (size < limit * 0.99) {
      const amount = `${Math.max(1, Math.round(size / unit))}${SPACE}${name}`;
      return seconds >= 0 ? `${amount} ago` : `in ${amount}`;
    }
  }
  return day.format(date);
}

class RelativeTime extends HTMLElement {
  connectedCallback() {
    this.draw();
    this.timer = setInterval(() => this.draw(), 20000);
  }

  disconnectedCallback() {
    clearInterval(this.timer);
  }

  draw() {
    const time = this.querySelector("time");
    const date = new Date(time?.dateTime ?? "");
    if (Number.isNaN(date.getTime())) return;
    const text = ago(date);
    if (time.textContent !== text) time.textContent = text;
    time.title = absolute.format(date);
  }
}

customElements.define("relative-time", RelativeTime);
