// <review-desk>: a verdict shows the next row at once and is kept here until the server has it; without script the forms do.
import { typing } from "./keys.js";
import { toast } from "./toasts.js";

const HTMX = { "HX-Request": "true" };
/** Milliseconds that a row must have been there before it can be judged: a key pressed twice judges one row. */
const SETTLE = 250;
const RETRY = 3000;

function token() {
  return JSON.parse(document.body.getAttribute("hx-headers:inherited") ?? "{}")["X-CSRFToken"] ?? "";
}

/** Verdicts on their way, in the browser's storage: closing the tab or losing the network loses none. */
class Outbox {
  constructor(key, { done, refused, changed }) {
    this.key = key;
    this.done = done;
    this.refused = refused;
    this.changed = changed;
    this.sending = null;
  }

  get entries() {
    try {
      return JSON.parse(localStorage.getItem(this.key) ?? "[]");
    } catch {
      return [];
    }
  }

  set entries(list) {
    if (list.length) localStorage.setItem(this.key, JSON.stringify(list));
    else localStorage.removeItem(this.key);
    this.changed(list.length);
  }

  add(entry) {
    this.entries = [...this.entries, { ...entry, id: crypto.getRandomValues(new Uint32Array(2)).join("-") }];
    return this.flush();
  }

  flush() {
    this.sending ??= this.sendAll().finally(() => { this.sending = null; });
    return this.sending;
  }

  async sendAll() {
    for (let entry = this.entries[0]; entry; entry = this.entries[0]) {
      const answer = await send(entry);
      if (!answer) {
        clearTimeout(this.timer);
        this.timer = setTimeout(() => this.flush(), RETRY);
        return;
      }
      this.entries = this.entries.filter((one) => one.id !== entry.id);
      if (answer.error) this.refused(answer, entry);
      else this.done(answer, entry);
    }
  }
}

/** The server's answer to a verdict; null when it can't be reached now (then it is tried again). */
async function send({ url, body }) {
  try {
    const response = await fetch(url, {
      method: "POST",
      body,
      keepalive: body.length < 60000,
      headers: { "Content-Type": "application/x-www-form-urlencoded", Accept: "application/json", "X-CSRFToken": token() },
    });
    if (response.headers.get("Content-Type")?.startsWith("application/json")) return await response.json();
    if ([403, 404].includes(response.status)) return { error: "You may no longer review these rows.", action: "Ask an editor of the workspace." };
    return null;
  } catch {
    return null;
  }
}

class ReviewDesk extends HTMLElement {
  connectedCallback() {
    this.place = this.querySelector("[data-desk-row]");
    this.past = [];
    this.outbox = new Outbox(this.dataset.outbox, {
      done: (answer, entry) => this.saved(answer, entry),
      refused: (answer, entry) => this.refused(answer, entry),
      changed: (count) => this.say("unsaved", count ? `${count} verdict${count > 1 ? "s" : ""} not saved yet; trying again` : ""),
    });
    this.addEventListener("submit", this);
    this.addEventListener("click", this);
    this.addEventListener("keydown", this);
    // A key that is held down must not judge one row after the other.
    window.addEventListener("keydown", this.stopRepeats, true);
    addEventListener("online", this.flush);
    const keys = document.getElementById("page-keys");
    document.getElementById("keys-list")?.prepend(keys?.content.cloneNode(true) ?? "");
    this.shown();
    this.outbox.flush();
  }

  disconnectedCallback() {
    window.removeEventListener("keydown", this.stopRepeats, true);
    removeEventListener("online", this.flush);
  }

  flush = () => this.outbox.flush();

  stopRepeats = (event) => {
    if (event.repeat && !typing(event.target) && "aerstcujk".includes(event.key)) event.stopImmediatePropagation();
  };

  get row() {
    return this.place.querySelector(".desk-row");
  }

  get form() {
    return this.place.querySelector("[data-desk-form]");
  }

  handleEvent(event) {
    if (event.type === "submit") {
      event.preventDefault();
      if (event.target.matches("[data-desk-undo]")) this.undo();
      else if (event.target.matches("[data-desk-form]")) this.judge(event.submitter?.value);
    } else if (event.type === "click") {
      const link = event.target.closest("[data-desk-go]");
      if (event.target.closest("[data-desk-open]")) this.edit();
      else if (link && !event.ctrlKey && !event.metaKey) {
        event.preventDefault();
        this.load(link.href);
      }
    } else this.key(event);
  }

  key(event) {
    if (!typing(event.target)) return;
    const text = event.target.matches("[data-desk-text]");
    const oneLine = event.target.matches("input");
    if (event.key === "Escape") event.target.blur();
    else if (event.key === "Enter" && text && (oneLine || event.ctrlKey || event.metaKey)) this.judge("edit");
    else if (event.key === "Enter" && oneLine) event.target.blur();
    else return;
    event.preventDefault();
  }

  edit() {
    const fold = this.place.querySelector("[data-desk-edit]");
    if (!fold) return;
    fold.open = true;
    const field = fold.querySelector("[data-desk-text]");
    field.focus();
    if (field.matches("input")) field.select();
    fold.scrollIntoView({ block: "nearest" });
  }

  judge(answer) {
    if (!answer || !this.form || performance.now() - this.since < SETTLE) return;
    const data = new FormData(this.form);
    data.set("answer", answer);
    data.delete("csrfmiddlewaretoken");
    if (answer !== "edit") data.delete("text");
    const position = this.row.dataset.position;
    const sent = this.outbox.add({ url: this.form.action, body: new URLSearchParams(data).toString(), position });
    this.advance(position, sent);
  }

  /** The next row: the one fetched ahead, or whatever the server has once this verdict is there. */
  async advance(position, sent) {
    const ahead = this.ahead;
    this.since = performance.now();
    this.row.toggleAttribute("data-leaving", true);
    const found = await ahead;
    if (found && found.position !== position) {
      this.show(found.html);
      return;
    }
    await sent;
    await this.load(`${this.dataset.desk}?after=${position}`);
  }

  async load(url) {
    const html = await fetchRow(url);
    if (html === null) toast("The row could not be fetched. Your verdicts are kept here; try again.", { tone: "error" });
    else this.show(html);
  }

  show(html) {
    this.place.innerHTML = html;
    this.row.focus({ preventScroll: true });
    scrollTo({ top: 0 });
    this.shown();
    this.say("live", this.row.getAttribute("aria-label"));
    const { position } = this.row.dataset;
    history.replaceState({}, "", position ? `${this.dataset.desk}?at=${position}` : this.dataset.desk);
  }

  shown() {
    this.since = performance.now();
    const position = this.row?.dataset.position;
    this.ahead = position ? fetchRow(`${this.dataset.desk}?after=${position}&ahead=1`).then(parse) : null;
  }

  saved({ position, revision, progress }) {
    this.past.push({ position, revision });
    this.progress(progress);
  }

  refused({ error, action, position, progress }) {
    toast(`${error} ${action}`, { tone: "error" });
    if (progress) this.progress(progress);
    if (position) this.load(`${this.dataset.desk}?at=${position}`);
  }

  async undo() {
    await this.outbox.flush();
    if (this.outbox.entries.length) {
      toast("The last verdict is not saved yet; undo it when it is.", { tone: "info" });
      return;
    }
    const last = this.past.pop();
    const answer = await send({ url: this.dataset.undo, body: new URLSearchParams(last ?? {}).toString() });
    if (!answer) toast("The Studio did not answer, so nothing was undone. Try again.", { tone: "error" });
    else if (answer.error) this.refused(answer);
    else {
      this.progress(answer.progress);
      await this.load(`${this.dataset.desk}?at=${answer.position}`);
    }
  }

  progress({ done, total, note }) {
    const meter = this.querySelector("[data-desk-meter]");
    meter.value = done;
    meter.max = total || 1;
    this.say("count", `${spaced(done)} / ${spaced(total)}`);
    this.say("note", note);
  }

  say(name, text) {
    this.querySelector(`[data-desk-${name}]`).textContent = text;
  }
}

function spaced(number) {
  return String(number).replace(/\B(?=(\d{3})+$)/g, "\u202f");
}

async function fetchRow(url) {
  try {
    const response = await fetch(url, { headers: HTMX });
    const html = response.ok && !response.redirected ? await response.text() : null;
    return html?.includes("desk-row") ? html : null;
  } catch {
    return null;
  }
}

function parse(html) {
  if (html === null) return null;
  const holder = document.createElement("template");
  holder.innerHTML = html;
  return { html, position: holder.content.querySelector(".desk-row")?.dataset.position };
}

customElements.define("review-desk", ReviewDesk);
