// Over the canvas: what may be done to it, whether it is saved, its problems, and what a run would do.
import { useState } from "react";
import { Glyph } from "./Glyph.jsx";
import { about, ago, bytes, money } from "./words.js";

export function Tools({ canEdit, can, act }) {
  return (
    <div className="ctools" role="toolbar" aria-label="Canvas">
      {canEdit && <button type="button" className="btn btn-primary btn-sm" onClick={act.palette} aria-keyshortcuts="/"><Glyph name="plus" />Add step<kbd className="kbd">/</kbd></button>}
      <span className="btn-group">
        {canEdit && <Tool name="undo" label="Undo" keys="Control+Z" disabled={!can.undo} onClick={act.undo} />}
        {canEdit && <Tool name="redo" label="Redo" keys="Control+Shift+Z" disabled={!can.redo} onClick={act.redo} />}
        {canEdit && <Tool name="tidy" label="Tidy up" keys="L" onClick={act.tidy} />}
        <Tool name="fit" label="Show all" keys="F" onClick={act.fit} />
        {canEdit && <Tool name="note" label="Add a note" keys="N" onClick={act.note} />}
        <Tool name="keys" label="Keys" keys="?" onClick={act.keys} />
      </span>
    </div>
  );
}

function Tool({ name, label, keys, ...rest }) {
  return <button type="button" className="btn btn-secondary btn-sm btn-icon" aria-label={label} title={`${label} (${keys.replace("Control", "Ctrl")})`} aria-keyshortcuts={keys} {...rest}><Glyph name={name} /></button>;
}

export function Status({ draft, onSelect, onTheirs, onMine }) {
  const [open, setOpen] = useState(false);
  const { conflict, problems } = draft;
  if (conflict) {
    return (
      <div className="cbanner" role="alert">
        <Glyph name="warn" />
        <span><strong>{conflict.savedBy && conflict.savedBy !== draft.me ? conflict.savedBy : "Another tab"}</strong> saved this pipeline {ago(conflict.savedAt)}, while you were changing it. Nothing is overwritten until you choose.</span>
        <button type="button" className="btn btn-secondary btn-sm" onClick={onTheirs}>Show what was saved</button>
        <button type="button" className="btn btn-danger btn-sm" onClick={onMine}>Keep mine instead</button>
      </div>
    );
  }
  return (
    <div className="cstatus">
      <span className={`csaved phase-${draft.phase}`} role="status">{saved(draft)}</span>
      {problems.length > 0
        ? <button type="button" className="cproblems" aria-expanded={open} onClick={() => setOpen(!open)}><Glyph name="warn" />{problems.length} {problems.length === 1 ? "problem" : "problems"} to mend</button>
        : <span className="cfine"><Glyph name="check" />Can run</span>}
      <Plan plan={draft.plan} />
      {draft.plan?.advice?.map(({ node, text }) => <button type="button" key={`${node} ${text}`} className="cadvice" title={text} onClick={() => onSelect(node)}>{text}</button>)}
      {open && problems.length > 0 && (
        <ul className="cproblem-list" aria-label="Problems">
          {problems.map((problem, i) => (
            <li key={i}><button type="button" onClick={() => { setOpen(false); onSelect(problem.node); }} disabled={!problem.node}>
              {problem.node && <span className="mono">{problem.node}{problem.field ? `.${problem.field}` : ""}</span>}<span>{problem.message} {problem.fix}</span>
            </button></li>
          ))}
        </ul>
      )}
    </div>
  );
}

function saved(draft) {
  if (!draft.canEdit) return "You can look, not change";
  if (draft.phase === "saving" || draft.phase === "unsaved") return "Saving…";
  if (draft.phase === "failed" || draft.phase === "offline") return draft.message;
  const who = draft.savedBy && draft.savedBy !== draft.me ? ` by ${draft.savedBy}` : "";
  return `Saved${who} ${ago(draft.savedAt)}`;
}

function Plan({ plan }) {
  if (!plan) return null;
  const { reused, running, seconds, cost_usd: cost, memory_bytes: memory, unknown_seconds: unknown } = plan.totals;
  const parts = [running ? `${running} ${running === 1 ? "step" : "steps"} to run` : "Nothing new to run"];
  if (reused) parts.push(`${reused} reused`);
  if (running && seconds) parts.push(about(seconds));
  else if (running && unknown) parts.push("time told once such steps have run");
  if (running && cost) parts.push(`about ${money(cost)}`);
  if (running && memory) parts.push(`up to ${bytes(memory)} of memory`);
  return <span className="cplan" title="Estimated from earlier runs in this workspace">{parts.join(" · ")}</span>;
}
