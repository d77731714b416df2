// The document of the canvas and what may be done to it, without React and without a browser.
//
// A document: {nodes: [{id, step, params}], edges: [{from: "node.port", to: "node.port"}], places: {id: [x, y]}, notes: […]}.
// Every function returns a new document and leaves the old one as it was: the history keeps them all.
import dagre from "@dagrejs/dagre";

export const GRID = 16;
export const WIDTH = 240;
export const PORT = 11;
const CLIPBOARD = "distill-studio-steps";

export const owner = (end) => end.slice(0, end.indexOf("."));
export const portOf = (end) => end.slice(end.indexOf(".") + 1);

/** A document from what the server sends. */
export function read({ spec, layout }) {
  return {
    nodes: spec.nodes.map((node) => ({ ...node, params: node.params ?? {} })),
    edges: spec.edges.map((edge) => ({ ...edge })),
    places: { ...layout?.nodes },
    notes: (layout?.notes ?? []).map((note) => ({ ...note })),
  };
}

/** What is sent to the server. */
export const write = (doc) => ({
  spec: { nodes: doc.nodes, edges: doc.edges },
  layout: { nodes: doc.places, notes: doc.notes },
});

/** Whether two documents are the same to the server. */
export const same = (a, b) => a === b || JSON.stringify(write(a)) === JSON.stringify(write(b));

export function freeId(taken, wanted) {
  const used = new Set(taken);
  const base = wanted.toLowerCase().replace(/[^a-z0-9_]+/g, "_").replace(/^[^a-z]+/, "").slice(0, 50) || "step";
  for (let n = 1; ; n += 1) {
    const name = n === 1 ? base : `${base}_${n}`;
    if (!used.has(name)) return name;
  }
}

/** The port a "node.port" end names, or undefined. `side` is "inputs" or "outputs". */
export function port(catalogue, doc, end, side) {
  const node = doc.nodes.find((one) => one.id === owner(end));
  return catalogue.get(node?.step)?.[side].find((one) => one.name === portOf(end));
}

function reaches(edges, from, to) {
  const seen = new Set([from]);
  const queue = [from];
  while (queue.length) {
    const here = queue.pop();
    if (here === to) return true;
    for (const edge of edges) {
      const next = owner(edge.to);
      if (owner(edge.from) === here && !seen.has(next)) {
        seen.add(next);
        queue.push(next);
      }
    }
  }
  return false;
}

/** Why an output can't feed an input; an empty string when it can. */
export function refusal(catalogue, doc, from, to) {
  const source = port(catalogue, doc, from, "outputs");
  const target = port(catalogue, doc, to, "inputs");
  if (!source || !target) return "There is no such port.";
  if (source.kind !== target.kind) return `${to} takes ${target.kind}, ${from} gives ${source.kind}.`;
  if (reaches(doc.edges, owner(to), owner(from))) return "That would go in a circle.";
  return "";
}

/** The output feeds the input, in place of what fed it before. */
export function connect(doc, from, to) {
  if (doc.edges.some((edge) => edge.from === from && edge.to === to)) return doc;
  return { ...doc, edges: [...doc.edges.filter((edge) => edge.to !== to), { from, to }] };
}

export const disconnect = (doc, ends) => ({ ...doc, edges: doc.edges.filter((edge) => !ends.has(`${edge.from}>${edge.to}`)) });

/** A new node at [x, y]; wired from `after` where the kinds settle it. Returns [document, id]. */
export function add(catalogue, doc, step, at, after) {
  const id = freeId(doc.nodes.map((node) => node.id), step);
  let next = { ...doc, nodes: [...doc.nodes, { id, step, params: {} }], places: { ...doc.places, [id]: clear(doc, snap(at)) } };
  const source = doc.nodes.find((node) => node.id === after);
  const outputs = source ? catalogue.get(source.step)?.outputs ?? [] : [];
  for (const input of catalogue.get(step)?.inputs ?? []) {
    if (input.optional) continue;
    const fitting = outputs.filter((output) => output.kind === input.kind && output.name !== "rejects");
    const chosen = fitting.find((output) => output.name === input.name) ?? fitting[0];
    if (chosen) next = connect(next, `${after}.${chosen.name}`, `${id}.${input.name}`);
  }
  return [next, id];
}

/** The first spot at or below this one where a box covers no other. */
function clear(doc, [x, y]) {
  const spots = doc.nodes.map((node) => doc.places[node.id]).filter(Boolean);
  let down = y;
  while (spots.some(([left, top]) => Math.abs(left - x) < WIDTH && Math.abs(top - down) < 160)) down += GRID;
  return [x, down];
}

/** Without these nodes, notes and edges ("from>to"). */
export function remove(doc, { nodes = new Set(), edges = new Set(), notes = new Set() }) {
  const places = Object.fromEntries(Object.entries(doc.places).filter(([id]) => !nodes.has(id)));
  return {
    nodes: doc.nodes.filter((node) => !nodes.has(node.id)),
    edges: doc.edges.filter((edge) => !edges.has(`${edge.from}>${edge.to}`) && !nodes.has(owner(edge.from)) && !nodes.has(owner(edge.to))),
    places,
    notes: doc.notes.filter((note) => !notes.has(note.id)),
  };
}

export function move(doc, places, notes = {}) {
  const moved = Object.fromEntries(Object.entries(places).map(([id, at]) => [id, snap(at)]));
  return {
    ...doc,
    places: { ...doc.places, ...moved },
    notes: doc.notes.map((note) => (notes[note.id] ? { ...note, x: notes[note.id][0], y: notes[note.id][1] } : note)),
  };
}

export const snap = ([x, y]) => [Math.round(x / GRID) * GRID, Math.round(y / GRID) * GRID];

export function addNote(doc, at) {
  const id = freeId(doc.notes.map((note) => note.id), "note");
  const [x, y] = snap(at);
  return [{ ...doc, notes: [...doc.notes, { id, x, y, width: 224, text: "" }] }, id];
}

export const editNote = (doc, id, text) => ({ ...doc, notes: doc.notes.map((note) => (note.id === id ? { ...note, text } : note)) });

const lines = (details) => 18 * Math.min(details?.length ?? 0, 2);

/** How tall a box is drawn (as the styles of `.cnode` add up), without drawing it. */
export function height(catalogue, node, details) {
  const step = catalogue.get(node.step);
  const ports = Math.max(step?.inputs.length ?? 0, step?.outputs.length ?? 0);
  return 89 + 22 * ports + lines(details[node.id]);
}

/** The upper left corner of the i-th port's dot, from that of its box. */
export const portSpot = (details, i, type) => ({ x: (type === "target" ? 1 : WIDTH - 1) - PORT / 2, y: 66 + lines(details) + 22 * i - PORT / 2 });

/**
 * Places for every node, left to right along the data; a long path is folded into lines like text, so that it can be read
 * at a glance. `only`: leave those that have a place where they are.
 */
export function arrange(catalogue, doc, details, { only = false } = {}) {
  if (only && doc.nodes.every((node) => doc.places[node.id])) return doc;
  const graph = new dagre.graphlib.Graph().setDefaultEdgeLabel(() => ({}));
  graph.setGraph({ rankdir: "LR", nodesep: 32, ranksep: 72 });
  for (const node of doc.nodes) graph.setNode(node.id, { width: WIDTH, height: height(catalogue, node, details) });
  const ids = new Set(doc.nodes.map((node) => node.id));
  for (const edge of doc.edges) if (ids.has(owner(edge.from)) && ids.has(owner(edge.to))) graph.setEdge(owner(edge.from), owner(edge.to));
  dagre.layout(graph);
  const spots = fold(doc.nodes.map((node) => ({ id: node.id, ...graph.node(node.id) })));
  const places = { ...doc.places };
  for (const node of doc.nodes) if (!only || !places[node.id]) places[node.id] = snap(spots.get(node.id));
  return { ...doc, places };
}

/** Boxes in columns (the same x) → their upper left corners, the columns broken into lines of about a screen's shape. */
function fold(boxes) {
  const columns = [...new Set(boxes.map((box) => Math.round(box.x)))].sort((a, b) => a - b);
  const perLine = columns.length <= 5 ? columns.length : Math.ceil(Math.sqrt(columns.length * 1.4));
  const spots = new Map();
  let down = 0;
  for (let start = 0; start < columns.length; start += perLine) {
    const members = boxes.filter((box) => columns.slice(start, start + perLine).includes(Math.round(box.x)));
    const top = Math.min(...members.map((box) => box.y - box.height / 2));
    const bottom = Math.max(...members.map((box) => box.y + box.height / 2));
    for (const box of members) spots.set(box.id, [box.x - columns[start], down + box.y - box.height / 2 - top]);
    down += bottom - top + 96;
  }
  return spots;
}

/** These nodes, the edges among them and where they stand, as text for the clipboard. */
export function copyText(doc, ids) {
  const nodes = doc.nodes.filter((node) => ids.has(node.id));
  const edges = doc.edges.filter((edge) => ids.has(owner(edge.from)) && ids.has(owner(edge.to)));
  const places = Object.fromEntries(nodes.map((node) => [node.id, doc.places[node.id] ?? [0, 0]]));
  return JSON.stringify({ [CLIPBOARD]: 1, nodes, edges, places }, null, 2);
}

/** The document with what the clipboard text holds, around [x, y]; and the new ids. Null for any other text. */
export function paste(doc, text, at) {
  let held;
  try {
    held = JSON.parse(text);
  } catch {
    return null;
  }
  if (held?.[CLIPBOARD] !== 1 || !Array.isArray(held.nodes) || !Array.isArray(held.edges)) return null;
  const wellMade = held.nodes.filter((node) => typeof node?.id === "string" && typeof node.step === "string");
  if (!wellMade.length) return null;
  const taken = doc.nodes.map((node) => node.id);
  const names = new Map();
  for (const node of wellMade) {
    const name = freeId(taken, node.id);
    taken.push(name);
    names.set(node.id, name);
  }
  const spots = wellMade.map((node) => held.places?.[node.id] ?? [0, 0]);
  const [left, top] = [Math.min(...spots.map((spot) => spot[0])), Math.min(...spots.map((spot) => spot[1]))];
  const places = { ...doc.places };
  wellMade.forEach((node, i) => {
    places[names.get(node.id)] = snap([at[0] + spots[i][0] - left, at[1] + spots[i][1] - top]);
  });
  const rename = (end) => `${names.get(owner(end))}.${portOf(end)}`;
  const edges = held.edges.filter((edge) => names.has(owner(edge.from ?? "")) && names.has(owner(edge.to ?? "")));
  return [
    {
      ...doc,
      nodes: [...doc.nodes, ...wellMade.map((node) => ({ id: names.get(node.id), step: node.step, ...(typeof node.note === "string" ? { note: node.note } : {}), params: { ...node.params } }))],
      edges: [...doc.edges, ...edges.map((edge) => ({ from: rename(edge.from), to: rename(edge.to) }))],
      places,
    },
    [...names.values()],
  ];
}
