// <pipeline-builder state="id of a json_script">: the canvas of one pipeline. The settings panel beside it stays the server's.
import { createRoot } from "react-dom/client";
import { Canvas } from "./Canvas.jsx";
import { Draft } from "./draft.js";
import { arrange, read } from "./graph.js";
import { History } from "./history.js";

class PipelineBuilder extends HTMLElement {
  connectedCallback() {
    const state = JSON.parse(document.getElementById(this.getAttribute("state")).textContent);
    this.catalogue = new Map(state.catalogue.map((step) => [step.step, step]));
    this.canEdit = state.canEdit;
    this.urls = state.urls;
    this.watchers = new Set();
    this.history = new History(arrange(this.catalogue, read(state), state.details, { only: true }));
    this.draft = new Draft(state, { doc: this.history.present, changed: () => this.changed(), adopted: (doc) => this.adopt(doc) });
    this.first = new URLSearchParams(location.search).get("step") || "";
    this.shown = this.first;
    this.swapped = this.swapped.bind(this);
    this.leaving = this.leaving.bind(this);
    document.addEventListener("htmx:after:swap", this.swapped);
    addEventListener("beforeunload", this.leaving);
    document.addEventListener("submit", this.submitting = (event) => this.beforeSubmit(event), true);
    this.root = createRoot(this);
    this.root.render(<Canvas studio={this} />);
    this.draft.start();
  }

  disconnectedCallback() {
    this.draft.stop();
    document.removeEventListener("htmx:after:swap", this.swapped);
    removeEventListener("beforeunload", this.leaving);
    document.removeEventListener("submit", this.submitting, true);
    this.root.unmount();
  }

  watch(callback) {
    this.watchers.add(callback);
    return () => this.watchers.delete(callback);
  }

  changed() {
    for (const callback of this.watchers) callback();
  }

  visible() {
    return this.offsetParent !== null;
  }

  /** Somebody else's draft, or what the panel's form saved: it becomes the present, and can be undone like a change of one's own. */
  adopt(doc) {
    this.history.push(arrange(this.catalogue, doc, this.draft.details, { only: true }));
    this.changed();
    return this.history.present;
  }

  /** Open the settings of a node in the panel (nothing for ""). */
  async show(id) {
    if (!this.visible() || id === this.shown) return;
    this.shown = id;
    if (this.asking) return;
    // One request at a time, and the last wish counts: a second one would be swapped into a panel that is gone by then.
    this.asking = true;
    try {
      for (let asked; asked !== this.shown;) {
        await this.draft.flush();
        asked = this.shown;
        history.replaceState(history.state, "", `${this.urls.page}${asked ? `?step=${encodeURIComponent(asked)}` : ""}`);
        // The list of steps is out of sight: it is asked for anew when it is looked at.
        await window.htmx.ajax("GET", `${this.urls.panel.replace("NODE", encodeURIComponent(asked || "-"))}?seen=${this.draft.revision}`, { target: "#panel", swap: "outerHTML" });
      }
    } finally {
      this.asking = false;
    }
  }

  /** The panel was answered: what it saved is in it. */
  swapped() {
    const script = document.getElementById("panel-state");
    if (!script || script === this.seen) return;
    this.seen = script;
    const state = JSON.parse(script.textContent);
    if (state.revision > this.draft.revision) this.draft.take(state);
  }

  /** A form of the page is sent with the newest revision, after what the canvas has not saved yet. */
  beforeSubmit(event) {
    const form = event.target;
    if (!form.closest("#pipeline-page") || this.draft.phase === "saved" || form.dataset.flushed !== undefined) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    this.draft.flush().then((fine) => {
      if (!fine) return;
      form.dataset.flushed = "";
      form.requestSubmit(event.submitter);
      delete form.dataset.flushed;
    });
  }

  leaving(event) {
    if (this.canEdit && this.draft.phase !== "saved") event.preventDefault();
  }
}

customElements.define("pipeline-builder", PipelineBuilder);
