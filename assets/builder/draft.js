// Keeps the server's copy of the draft in step: saves shortly after a change, notices what others save, never overwrites.
import { keep } from "./boxes.js";
import { read, same, write } from "./graph.js";

const SAVE_AFTER = 350;
const LOOK_EVERY = 4000;

export class Draft {
  /** `changed()` is called whenever something to be shown has changed. */
  constructor(state, { doc, changed, adopted }) {
    this.urls = state.urls;
    this.canEdit = state.canEdit;
    this.me = state.me;
    this.changed = changed;
    this.adopted = adopted;
    this.saved = doc;
    this.doc = doc;
    this.plan = null;
    this.live = {};
    this.comments = state.comments ?? {};
    this.phase = "saved";
    this.message = "";
    this.conflict = null;
    this.judged(state);
    this.look = this.look.bind(this);
  }

  start() {
    this.poll = setInterval(() => { if (!document.hidden) this.look(); }, LOOK_EVERY);
    this.look(true);
  }

  stop() {
    clearInterval(this.poll);
    clearTimeout(this.timer);
  }

  judged(state) {
    this.revision = state.revision;
    this.savedBy = state.savedBy;
    this.savedAt = state.savedAt;
    this.problems = state.problems;
    this.details = keep(this.details, state.details);
    for (const field of document.querySelectorAll("#pipeline-page input[name=revision]")) field.value = state.revision;
  }

  /** A change was made here: save it soon. */
  set(doc) {
    this.doc = doc;
    if (!this.canEdit || same(doc, this.saved)) return;
    this.phase = "unsaved";
    clearTimeout(this.timer);
    if (!this.conflict) this.timer = setTimeout(() => this.flush(), SAVE_AFTER);
    this.changed();
  }

  /** Save now what is not saved; true when all is saved afterwards. */
  async flush() {
    clearTimeout(this.timer);
    if (this.saving) await this.saving;
    if (!this.canEdit || this.conflict || same(this.doc, this.saved)) return !this.conflict;
    this.saving = this.save();
    const fine = await this.saving;
    this.saving = null;
    if (fine && !same(this.doc, this.saved)) return this.flush();
    return fine;
  }

  async save() {
    const sent = this.doc;
    this.phase = "saving";
    this.changed();
    try {
      const answer = await this.post({ ...write(sent), revision: this.revision });
      const state = await answer.json();
      if (answer.ok) {
        this.saved = sent;
        this.judged(state);
        this.phase = "saved";
        this.look(true);
      } else if (answer.status === 409) {
        this.conflict = state;
        this.phase = "conflict";
      } else {
        this.phase = "failed";
        this.message = state.problems?.[0]?.message ?? state.message ?? "The server refused the change.";
      }
    } catch {
      this.phase = "offline";
      this.message = "Not saved: the Studio does not answer. It is tried again with the next change.";
      this.timer = setTimeout(() => this.flush(), 5000);
    }
    this.changed();
    return this.phase === "saved";
  }

  post(body) {
    const token = document.querySelector("#pipeline-page input[name=csrfmiddlewaretoken]")?.value ?? "";
    return fetch(this.urls.save, { method: "POST", headers: { "Content-Type": "application/json", "X-CSRFToken": token }, body: JSON.stringify(body) });
  }

  /** Ask what others saved and how the newest run stands; with `plan` also what a run would do. */
  async look(plan = false) {
    try {
      const query = `?revision=${this.revision}${plan ? "&plan=1" : ""}`;
      const answer = await fetch(this.urls.state + query, { headers: { Accept: "application/json" } });
      if (!answer.ok) return;
      const state = await answer.json();
      const live = JSON.stringify(state.live ?? {});
      if (live !== this.heard) this.live = { ...state.live, steps: keep(this.live.steps, state.live?.steps) };
      this.heard = live;
      if (JSON.stringify(state.comments ?? {}) !== JSON.stringify(this.comments)) this.comments = state.comments ?? {};
      if (plan) this.plan = state.plan && { ...state.plan, nodes: keep(this.plan?.nodes, state.plan.nodes) };
      if (state.revision > this.revision && state.spec && !this.saving) this.other(state);
      this.changed();
    } catch {
      // Looking is tried again by itself; only saving tells of an outage.
    }
  }

  /** Another tab or person saved: taken over when nothing is unsaved here, else it is a conflict for the user to settle. */
  other(state) {
    if (same(this.doc, this.saved)) this.take(state);
    else {
      this.conflict = state;
      this.phase = "conflict";
    }
  }

  /** Use the server's draft. */
  take(state) {
    this.conflict = null;
    this.phase = "saved";
    this.judged(state);
    // Boxes that had no place got one when they were drawn; that alone is nothing to save.
    this.saved = this.doc = this.adopted(read(state));
    this.look(true);
  }

  /** Keep what is here, over what the other saved: only ever on the user's word. */
  keepMine() {
    this.revision = this.conflict.revision;
    this.conflict = null;
    this.saved = { nodes: [], edges: [], places: {}, notes: [] };
    this.flush();
  }
}
