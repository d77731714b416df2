// The steps one may add: searchable, by keyboard, by click, or dragged to where they belong.
import { useEffect, useMemo, useRef, useState } from "react";

export const DRAG_TYPE = "application/x-distill-step";

export function Palette({ steps, onAdd, onClose }) {
  const [query, setQuery] = useState("");
  const [at, setAt] = useState(0);
  const field = useRef(null);
  const found = useMemo(() => {
    const words = query.toLowerCase().split(/\s+/).filter(Boolean);
    const all = (text) => words.every((word) => text.toLowerCase().includes(word));
    // What is called that comes before what only speaks of it.
    const rank = (step) => (all(`${step.label} ${step.step} ${step.group}`) ? 0 : all(`${step.label} ${step.step} ${step.group} ${step.help}`) ? 1 : 2);
    const ranked = steps.map((step) => [rank(step), step]);
    return [0, 1].flatMap((wanted) => ranked.filter(([found]) => found === wanted).map(([, step]) => step));
  }, [steps, query]);
  useEffect(() => { field.current?.focus(); }, []);
  useEffect(() => setAt(0), [query]);
  useEffect(() => { document.getElementById(`palette-${at}`)?.scrollIntoView({ block: "nearest" }); }, [at]);

  const keys = (event) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      setAt((now) => (found.length ? (now + (event.key === "ArrowDown" ? 1 : -1) + found.length) % found.length : 0));
    } else if (event.key === "Enter" && found[at]) {
      event.preventDefault();
      onAdd(found[at].step);
    } else if (event.key === "Escape") {
      event.preventDefault();
      onClose();
    }
    event.stopPropagation();
  };

  return (
    <div className="cpalette" role="dialog" aria-label="Add a step" onKeyDown={keys}>
      <input ref={field} className="input" type="search" placeholder="Search steps" aria-label="Search steps" role="combobox" aria-expanded="true" aria-controls="palette-list"
        aria-activedescendant={found[at] ? `palette-${at}` : undefined} value={query} onChange={(event) => setQuery(event.target.value)} />
      <ul id="palette-list" role="listbox" aria-label="Steps">
        {found.map((step, i) => (
          <li key={step.step} id={`palette-${i}`} role="option" aria-selected={i === at} className="cpalette-step" draggable title={step.help}
            onDragStart={(event) => { event.dataTransfer.setData(DRAG_TYPE, step.step); event.dataTransfer.effectAllowed = "copy"; }}
            onMouseEnter={() => setAt(i)} onClick={() => onAdd(step.step)}>
            {(i === 0 || found[i - 1].group !== step.group) && <span className="cpalette-group" aria-hidden="true">{step.group}</span>}
            <span className="cpalette-label"><span className={`cnode-mark group-${step.group.toLowerCase()}`} aria-hidden="true" />{step.label}</span>
            <span className="cpalette-help">{step.help}</span>
          </li>
        ))}
        {!found.length && <li className="cpalette-none">No step is called that. Try “filter”, “train” or “judge”.</li>}
      </ul>
      <p className="cpalette-hint"><kbd className="kbd">↵</kbd> adds it after the selected step. Or drag it to its place.</p>
    </div>
  );
}
