// Connecting without a mouse: from a port of the selected step to any port that fits.
import { useEffect, useMemo, useRef } from "react";
import { refusal } from "./graph.js";

export function Connect({ catalogue, doc, id, onConnect, onClose }) {
  const dialog = useRef(null);
  useEffect(() => { dialog.current?.showModal(); }, []);
  const pairs = useMemo(() => {
    const step = catalogue.get(doc.nodes.find((node) => node.id === id)?.step);
    const fed = new Set(doc.edges.map((edge) => `${edge.from}>${edge.to}`));
    const found = [];
    for (const other of doc.nodes) {
      if (other.id === id) continue;
      for (const out of step?.outputs ?? []) for (const input of catalogue.get(other.step)?.inputs ?? []) found.push([`${id}.${out.name}`, `${other.id}.${input.name}`]);
      for (const out of catalogue.get(other.step)?.outputs ?? []) for (const input of step?.inputs ?? []) found.push([`${other.id}.${out.name}`, `${id}.${input.name}`]);
    }
    return found.filter(([from, to]) => !fed.has(`${from}>${to}`) && !refusal(catalogue, doc, from, to));
  }, [catalogue, doc, id]);
  return (
    <dialog ref={dialog} className="ckeys" aria-label={`Connect ${id}`} onClose={onClose} onKeyDown={(event) => event.stopPropagation()}>
      <h2>Connect {id}</h2>
      {pairs.length ? (
        <ul className="cpairs">{pairs.map(([from, to]) => <li key={from + to}><button type="button" className="btn btn-ghost btn-sm" onClick={() => { onConnect(from, to); dialog.current.close(); }}><span className="mono">{from}</span> → <span className="mono">{to}</span></button></li>)}</ul>
      ) : <p>No other step has a port that fits.</p>}
      <form method="dialog"><button className="btn btn-secondary btn-sm">Close</button></form>
    </dialog>
  );
}
