// Every state the document had in this tab, to go back and forth without limit.
export class History {
  constructor(doc) {
    this.past = [];
    this.present = doc;
    this.future = [];
  }

  /** A new present. The same document again is no change. */
  push(doc) {
    if (doc === this.present) return;
    this.past.push(this.present);
    this.present = doc;
    this.future = [];
  }

  /** The present was changed by somebody else: it can't be undone here, but what was before can. */
  replace(doc) {
    this.present = doc;
  }

  undo() {
    if (!this.past.length) return false;
    this.future.push(this.present);
    this.present = this.past.pop();
    return true;
  }

  redo() {
    if (!this.future.length) return false;
    this.past.push(this.present);
    this.present = this.future.pop();
    return true;
  }
}
