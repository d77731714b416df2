// <upload-zone>: drop or choose; shows the name and size of what was chosen.
// <upload-form>: sends the chosen files in pieces before the form goes off, each with its progress, rate and time left. A
// piece that is lost is sent again; a file that was interrupted, by a reload or a restart, goes on where it stood when it is
// chosen again. Without this script the form sends the files itself.
class UploadZone extends HTMLElement {
  connectedCallback() {
    this.label = this.querySelector(".upload-zone");
    this.input = this.querySelector("input[type=file]");
    this.text = this.querySelector("[data-upload-label]");
    for (const name of ["dragenter", "dragover", "dragleave", "drop", "change"]) this.addEventListener(name, this);
  }

  handleEvent(event) {
    if (event.type === "dragenter" || event.type === "dragover") {
      event.preventDefault();
      this.label.dataset.over = "";
    } else if (event.type === "dragleave") {
      delete this.label.dataset.over;
    } else if (event.type === "drop") {
      event.preventDefault();
      delete this.label.dataset.over;
      if (event.dataTransfer?.files.length && !this.input.disabled) {
        this.input.files = event.dataTransfer.files;
        this.input.dispatchEvent(new Event("change", { bubbles: true }));
      }
    } else {
      this.show();
    }
  }

  show() {
    const files = [...this.input.files];
    this.label.toggleAttribute("data-filled", files.length > 0);
    if (!files.length) return;
    const total = files.reduce((sum, file) => sum + file.size, 0);
    this.text.textContent = files.length > 3
      ? `${files.length} files (${size(total)})`
      : files.map((file) => `${file.name} (${size(file.size)})`).join(", ");
  }
}

class UploadForm extends HTMLElement {
  connectedCallback() {
    this.form = this.querySelector("form");
    this.input = this.querySelector("input[type=file]");
    this.list = this.querySelector("[data-upload-files]");
    this.said = this.querySelector("[data-upload-said]");
    this.together = this.querySelector("[data-upload-together]");
    this.button = this.form.querySelector("[type=submit]");
    this.together.hidden = true;
    this.form.addEventListener("submit", (event) => this.send(event));
    this.input.addEventListener("change", () => {
      this.together.hidden = this.input.files.length < 2;
    });
    this.leave = (event) => event.preventDefault();
  }

  disconnectedCallback() {
    removeEventListener("beforeunload", this.leave);
    this.stopped?.abort();
  }

  async send(event) {
    event.preventDefault();
    if (this.busy) return;
    this.busy = true;
    this.stopped = new AbortController();
    addEventListener("beforeunload", this.leave);
    this.button.disabled = this.input.disabled = true;
    this.list.hidden = false;
    const rows = [...this.input.files].map((file) => new FileRow(file, this));
    this.list.replaceChildren(...rows.map((row) => row.element));
    for (const row of rows) await row.send();
    const arrived = rows.filter((row) => row.id);
    removeEventListener("beforeunload", this.leave);
    if (!this.isConnected) return;
    this.busy = false;
    if (!arrived.length || rows.some((row) => row.failed)) {
      this.button.disabled = this.input.disabled = false;
      this.say("Some files did not arrive. Press the button to go on where they stood.");
      return;
    }
    this.button.disabled = true;
    this.say("All files arrived.");
    this.form.append(...arrived.map((row) => hidden("arrived", row.id)));
    this.form.submit();
  }

  say(text) {
    this.said.textContent = text;
  }

  get token() {
    return this.form.querySelector("[name=csrfmiddlewaretoken]").value;
  }
}

// One file of the list. `id` is what the server calls it once it is there whole.
class FileRow {
  constructor(file, owner) {
    this.file = file;
    this.owner = owner;
    this.element = document.createElement("li");
    this.element.className = "progress-block";
    this.bar = document.createElement("progress");
    this.bar.className = "meter";
    this.bar.max = file.size || 1;
    this.bar.value = 0;
    this.bar.setAttribute("aria-label", file.name);
    this.amount = span("num");
    this.note = span();
    this.stop = document.createElement("button");
    this.stop.type = "button";
    this.stop.className = "btn btn-ghost btn-sm";
    this.stop.textContent = "Leave out";
    this.stop.addEventListener("click", () => this.leaveOut());
    const line = document.createElement("div");
    line.className = "progress-line";
    line.append(span("progress-label", file.name), this.amount, this.stop);
    const sub = document.createElement("div");
    sub.className = "progress-sub";
    sub.append(this.note);
    this.element.append(line, this.bar, sub);
    this.show(0, "Waiting");
  }

  async send() {
    if (this.leftOut) return;
    this.cancel = new AbortController();
    try {
      await this.pieces();
    } catch (error) {
      if (this.leftOut) return;
      this.failed = true;
      this.note.textContent = error.message;
      this.element.dataset.failed = "";
      this.bar.classList.add("meter-fail");
    }
  }

  async pieces() {
    const body = new FormData();
    body.append("csrfmiddlewaretoken", this.owner.token);
    body.append("name", this.file.name);
    body.append("size", this.file.size);
    body.append("mark", await mark(this.file));
    let place = await this.ask(this.owner.dataset.begin, { method: "POST", body });
    let { received } = place;
    const began = performance.now();
    const before = received;
    if (received) this.owner.say(`${this.file.name} goes on at ${size(received)}.`);
    while (received < this.file.size) {
      const piece = await this.file.slice(received, received + place.piece).arrayBuffer();
      const query = new URLSearchParams({ offset: received, crc32: crc32(new Uint8Array(piece)).toString(16) });
      const answer = await this.ask(`${place.url}?${query}`, { method: "POST", body: piece, type: "application/octet-stream" });
      received = answer.received;
      const seconds = (performance.now() - began) / 1000;
      const rate = (received - before) / Math.max(seconds, 0.001);
      this.show(received, `${size(rate)}/s · ${duration((this.file.size - received) / rate)} left`);
    }
    this.id = place.id;
    this.show(received, before === this.file.size ? "Was here already" : "Arrived");
    this.stop.hidden = true;
  }

  // Asks until the server answers: a lost connection or a restart costs time, not the upload.
  async ask(url, { method, body, type }) {
    for (let tries = 0; ; tries += 1) {
      let response;
      try {
        const headers = { "X-CSRFToken": this.owner.token, Accept: "application/json", ...(type && { "Content-Type": type }) };
        const signal = AbortSignal.any([this.cancel.signal, this.owner.stopped.signal]);
        response = await fetch(url, { method, body, headers, signal });
      } catch (error) {
        if (error.name === "AbortError") throw error;
      }
      if (response?.ok && !response.redirected) return response.json();
      const said = response?.headers.get("content-type")?.includes("json") ? await response.json() : null;
      if (response?.status === 409) return said;
      if (response?.status === 507 || (response && response.status < 500 && !(said && tries < 3))) {
        throw new Error(said ? `${said.error} ${said.action}` : "The server refused it. Reload the page and sign in again.");
      }
      if (tries >= 60) throw new Error("The server does not answer. Press the button to go on where it stood.");
      this.note.textContent = "No answer; trying again";
      await new Promise((done) => setTimeout(done, Math.min(1000 * 2 ** tries, 10_000)));
    }
  }

  leaveOut() {
    this.leftOut = true;
    this.failed = false;
    this.cancel?.abort();
    this.element.remove();
  }

  show(received, note) {
    this.bar.value = received;
    this.amount.textContent = `${size(received)} / ${size(this.file.size)}`;
    this.note.textContent = note;
  }
}

function span(name = "", text = "") {
  const element = document.createElement("span");
  element.className = name;
  element.textContent = text;
  return element;
}

function hidden(name, value) {
  const input = document.createElement("input");
  Object.assign(input, { type: "hidden", name, value });
  return input;
}

// Tells files of one name and size apart: when it was changed, and its two ends.
async function mark(file) {
  const ends = [file.slice(0, 65_536), file.slice(-65_536)];
  const sums = await Promise.all(ends.map(async (end) => crc32(new Uint8Array(await end.arrayBuffer())).toString(16)));
  return [file.lastModified, ...sums].join("-");
}

const CRC = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1;
  return value;
});

function crc32(bytes) {
  let sum = 0xffffffff;
  for (let at = 0; at < bytes.length; at += 1) sum = CRC[(sum ^ bytes[at]) & 255] ^ (sum >>> 8);
  return (sum ^ 0xffffffff) >>> 0;
}

function duration(seconds) {
  if (!Number.isFinite(seconds)) return "…";
  if (seconds < 60) return `${Math.ceil(seconds)}\u00a0s`;
  if (seconds < 3600) return `${Math.ceil(seconds / 60)}\u00a0min`;
  return `${Math.floor(seconds / 3600)}\u00a0h ${Math.round((seconds % 3600) / 60)}\u00a0min`;
}

function size(bytes) {
  const units = ["B", "kB", "MB", "GB"];
  let at = 0;
  while (bytes >= 999.5 && at < units.length - 1) {
    bytes /= 1000;
    at += 1;
  }
  return `${bytes.toFixed(at && bytes < 99.5 ? 1 : 0)}\u00a0${units[at]}`;
}

customElements.define("upload-zone", UploadZone);
customElements.define("upload-form", UploadForm);
