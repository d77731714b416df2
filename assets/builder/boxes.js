// The document as React Flow's nodes and edges. What has not changed stays the very object it was, so that it is not drawn again.
import * as graph from "./graph.js";
import { spoken } from "./StepNode.jsx";

const NONE = [];
export const isNote = (id) => id.startsWith("note:");
export const noteId = (id) => `note:${id}`;

/** `before`: the nodes as they are shown; what React Flow measured of them is kept. */
export function boxes(doc, before, { catalogue, draft, problems, chosen, fresh }) {
  const known = new Map(before.map((one) => [one.id, one]));
  const notes = doc.notes.map(({ id, x, y, text }) => renewed(known.get(noteId(id)), {
    id: noteId(id), type: "note", position: { x, y }, data: { text, fresh: fresh === id }, selected: chosen.has(noteId(id)), ariaLabel: `Note: ${text.slice(0, 80)}`, zIndex: -1,
  }));
  const steps = doc.nodes.map((node) => {
    const step = catalogue.get(node.step);
    const [x, y] = doc.places[node.id] ?? [0, 0];
    const data = { node, step, details: draft.details[node.id] ?? NONE, problems: problems[node.id] ?? NONE, live: draft.live.steps?.[node.id], plan: draft.plan?.nodes[node.id], comments: draft.comments[node.id] };
    return renewed(known.get(node.id), { id: node.id, type: "step", position: { x, y }, data, selected: chosen.has(node.id), ariaLabel: spoken(node, step, data.problems, data.live, data.comments), ariaRole: "group" }, () => guess(catalogue, node, draft.details));
  });
  return [...notes, ...steps];
}

function renewed(was, next, more) {
  if (!was) return { ...next, ...more?.() };
  const position = was.dragging || (was.position.x === next.position.x && was.position.y === next.position.y) ? was.position : next.position;
  const data = alike(was.data, next.data) ? was.data : next.data;
  if (position === was.position && data === was.data && was.selected === next.selected && was.ariaLabel === next.ariaLabel) return was;
  // What was measured is truer than the guess.
  return { ...was, ...next, position, data, ...(was.measured ? { handles: undefined } : {}) };
}

const alike = (a, b) => Object.keys(b).every((key) => a[key] === b[key]);

/** The size and ports of a box that was never drawn, so that the lines to it stand and it need not be drawn out of sight. */
function guess(catalogue, node, details) {
  const step = catalogue.get(node.step);
  const ports = (list, type) => (list ?? NONE).map(({ name }, i) => ({ id: name, type, position: type === "target" ? "left" : "right", ...graph.portSpot(details[node.id], i, type), width: graph.PORT, height: graph.PORT }));
  return { initialWidth: graph.WIDTH, initialHeight: graph.height(catalogue, node, details), handles: [...ports(step?.inputs, "target"), ...ports(step?.outputs, "source")] };
}

/** The connections whose two ends are there, as React Flow's edges. */
export function lines(doc, catalogue, chosen) {
  const steps = new Map(doc.nodes.map((node) => [node.id, catalogue.get(node.step)]));
  return doc.edges.filter(({ from, to }) => steps.has(graph.owner(from)) && steps.has(graph.owner(to))).map(({ from, to }) => {
    const [source, target] = [graph.owner(from), graph.owner(to)];
    const kind = steps.get(source)?.outputs.find((one) => one.name === graph.portOf(from))?.kind ?? "unknown";
    const back = (doc.places[target]?.[0] ?? 0) < (doc.places[source]?.[0] ?? 0) + graph.WIDTH;
    const id = `${from}>${to}`;
    return { id, type: back ? "smoothstep" : "default", source, sourceHandle: graph.portOf(from), target, targetHandle: graph.portOf(to), className: `kind-${kind}`, selected: chosen.has(id), ariaLabel: `Connection from ${from} to ${to}` };
  });
}

/** `next`, in which every value that says the same as before is the object it was. */
export function keep(before, next) {
  if (!before || !next) return next;
  for (const key of Object.keys(next)) if (before[key] !== undefined && JSON.stringify(before[key]) === JSON.stringify(next[key])) next[key] = before[key];
  return next;
}
