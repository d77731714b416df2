// The list of keys, shown by “?”.
import { useEffect, useRef } from "react";

const KEYS = [
  ["/", "Add a step"], ["Tab", "Next step or connection"], ["Enter", "Select"], ["Arrows", "Move what is selected"], ["Shift + click, Shift + drag", "Select several"],
  ["C", "Connect the selected step to…"], ["Delete", "Remove what is selected"], ["Ctrl + C, X, V", "Copy, cut, paste (also into another tab)"], ["Ctrl + D", "Duplicate"], ["Ctrl + A", "Select all"],
  ["Ctrl + Z, Ctrl + Shift + Z", "Undo, redo"], ["L", "Tidy up"], ["F", "Show all"], ["+ and −", "Zoom"], ["N", "Add a note"], ["Esc", "Select nothing"],
];

export function Keys({ onClose }) {
  const dialog = useRef(null);
  useEffect(() => { dialog.current?.showModal(); }, []);
  return (
    <dialog ref={dialog} className="ckeys" aria-label="Keys" onClose={onClose} onKeyDown={(event) => event.stopPropagation()}>
      <h2>Keys</h2>
      <dl>{KEYS.map(([keys, what]) => <div key={keys}><dt>{keys.split(", ").map((one) => <kbd className="kbd" key={one}>{one}</kbd>)}</dt><dd>{what}</dd></div>)}</dl>
      <form method="dialog"><button className="btn btn-secondary btn-sm">Close</button></form>
    </dialog>
  );
}
