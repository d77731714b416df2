// The canvas: the document drawn by React Flow, and every way to change it.
import { Background, BackgroundVariant, MiniMap, ReactFlow, ReactFlowProvider, applyNodeChanges, useReactFlow } from "@xyflow/react";
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { Status, Tools } from "./Bar.jsx";
import { Board } from "./board.js";
import { Connect } from "./Connect.jsx";
import * as graph from "./graph.js";
import { Keys } from "./Keys.jsx";
import { NoteNode } from "./NoteNode.jsx";
import { DRAG_TYPE, Palette } from "./Palette.jsx";
import { StepNode, spoken } from "./StepNode.jsx";

const TYPES = { step: StepNode, note: NoteNode };
const NONE = [];
const MANY = 120;
const isNote = (id) => id.startsWith("note:");

export function Canvas(props) {
  return <ReactFlowProvider><Flow {...props} /></ReactFlowProvider>;
}

function Flow({ studio }) {
  const { catalogue, draft, history, canEdit } = studio;
  const [, redraw] = useState(0);
  const [nodes, setNodes] = useState(NONE);
  const [chosen, setChosen] = useState({ nodes: new Set(studio.first ? [studio.first] : []), edges: new Set() });
  const [open, setOpen] = useState("");
  const flow = useReactFlow();
  const wrapper = useRef(null);
  const doc = history.present;
  const [docSeen, setDocSeen] = useState(doc);
  const fresh = useRef("");

  useEffect(() => studio.watch(() => { redraw((n) => n + 1); setDocSeen(history.present); }), [studio, history]);

  const problems = useMemo(() => {
    const byNode = {};
    for (const problem of draft.problems) (byNode[problem.node] ??= []).push(problem);
    return byNode;
  }, [draft.problems]);

  // The boxes follow the document; what React Flow measured of them is kept.
  useEffect(() => {
    setNodes((before) => {
      const known = new Map(before.map((one) => [one.id, one]));
      const steps = docSeen.nodes.map((node) => {
        const was = known.get(node.id);
        const step = catalogue.get(node.step);
        const data = { node, step, details: draft.details[node.id] ?? NONE, problems: problems[node.id] ?? NONE, live: draft.live.steps?.[node.id], plan: draft.plan?.nodes[node.id], comments: draft.comments[node.id] };
        const [x, y] = docSeen.places[node.id] ?? [0, 0];
        return { ...was, id: node.id, type: "step", position: was?.dragging ? was.position : { x, y }, data, selected: chosen.nodes.has(node.id), ariaLabel: spoken(node, step, data.problems, data.live, data.comments), ariaRole: "group" };
      });
      const notes = docSeen.notes.map((note) => {
        const id = `note:${note.id}`;
        const was = known.get(id);
        return { ...was, id, type: "note", position: was?.dragging ? was.position : { x: note.x, y: note.y }, data: { text: note.text, fresh: fresh.current === note.id }, selected: chosen.nodes.has(id), ariaLabel: `Note: ${note.text.slice(0, 80)}`, zIndex: -1 };
      });
      return [...notes, ...steps];
    });
  }, [docSeen, draft.details, draft.live, draft.plan, draft.comments, problems, chosen, catalogue]);

  const edges = useMemo(() => docSeen.edges.map(({ from, to }) => {
    const kind = graph.port(catalogue, docSeen, from, "outputs")?.kind ?? "unknown";
    const id = `${from}>${to}`;
    const back = (docSeen.places[graph.owner(to)]?.[0] ?? 0) < (docSeen.places[graph.owner(from)]?.[0] ?? 0) + graph.WIDTH;
    return { id, type: back ? "smoothstep" : "default", source: graph.owner(from), sourceHandle: graph.portOf(from), target: graph.owner(to), targetHandle: graph.portOf(to), className: `kind-${kind}`, selected: chosen.edges.has(id), ariaLabel: `Connection from ${from} to ${to}` };
  }).filter((edge) => docSeen.nodes.some((n) => n.id === edge.source) && docSeen.nodes.some((n) => n.id === edge.target)), [docSeen, catalogue, chosen.edges]);

  const commit = useCallback((next) => {
    if (!canEdit || next === history.present) return;
    history.push(next);
    draft.set(next);
    studio.changed();
  }, [canEdit, draft, history, studio]);

  const middle = useCallback(() => {
    const box = wrapper.current.getBoundingClientRect();
    const at = flow.screenToFlowPosition({ x: box.left + box.width / 2, y: box.top + box.height / 2 });
    return [at.x - graph.WIDTH / 2, at.y - 60];
  }, [flow]);

  const choose = useCallback((ids, edgeIds = []) => setChosen({ nodes: new Set(ids), edges: new Set(edgeIds) }), []);
  const one = chosen.nodes.size === 1 && ![...chosen.nodes].some(isNote) ? [...chosen.nodes][0] : "";

  useEffect(() => { studio.show(one); }, [one, studio]);

  const act = useMemo(() => ({
    palette: () => setOpen("palette"),
    keys: () => setOpen("keys"),
    fit: () => flow.fitView({ padding: 0.15, duration: 200, maxZoom: 1 }),
    undo: () => { if (history.undo()) { draft.set(history.present); studio.changed(); } },
    redo: () => { if (history.redo()) { draft.set(history.present); studio.changed(); } },
    tidy: () => { commit(graph.arrange(catalogue, history.present, draft.details)); setTimeout(() => flow.fitView({ padding: 0.15, duration: 200, maxZoom: 1 }), 60); },
    note: () => { const [next, id] = graph.addNote(history.present, middle()); fresh.current = id; commit(next); choose([`note:${id}`]); },
  }), [catalogue, choose, commit, draft, flow, history, middle, studio]);

  const add = (step, at) => {
    const after = one;
    const place = at ?? (after && history.present.places[after] ? [history.present.places[after][0] + graph.WIDTH + 80, history.present.places[after][1]] : middle());
    const [next, id] = graph.add(catalogue, history.present, step, place, at ? "" : after);
    setOpen("");
    commit(next);
    choose([id]);
    wrapper.current.focus();
  };

  const remove = () => {
    const notes = [...chosen.nodes].filter(isNote).map((id) => id.slice(5));
    commit(graph.remove(history.present, { nodes: chosen.nodes, edges: chosen.edges, notes: new Set(notes) }));
    choose([]);
    wrapper.current.focus();
  };

  const pasted = (text, at) => {
    const made = graph.paste(history.present, text, at);
    if (!made) return false;
    commit(made[0]);
    choose(made[1]);
    return true;
  };

  // Keys and clipboard belong to the canvas while nothing else has the focus: after a removal the focus falls to the page.
  useEffect(() => {
    const mine = () => studio.visible() && !document.querySelector("dialog[open]") && !document.activeElement?.matches("input, textarea, select, [contenteditable]")
      && (document.activeElement === document.body || wrapper.current?.contains(document.activeElement));
    const keys = (event) => {
      if (!mine() || event.defaultPrevented) return;
      const command = event.ctrlKey || event.metaKey;
      const key = event.key.toLowerCase();
      const table = command
        ? { z: event.shiftKey ? act.redo : act.undo, y: act.redo, a: () => choose(history.present.nodes.map((node) => node.id)), d: () => pasted(graph.copyText(history.present, chosen.nodes), shifted()) }
        : event.altKey ? {} : { "/": act.palette, "?": act.keys, f: act.fit, l: act.tidy, n: act.note, c: () => one && setOpen("connect"), "+": () => flow.zoomIn(), "-": () => flow.zoomOut(), delete: remove, backspace: remove, escape: () => choose([]) };
      const run = table[key];
      if (!run || (!canEdit && !["f", "?", "+", "-", "escape", "a"].includes(key))) return;
      event.preventDefault();
      event.stopImmediatePropagation();
      run();
    };
    const shifted = () => { const [first] = chosen.nodes; const [x, y] = history.present.places[first] ?? [0, 0]; return [x + 32, y + 32]; };
    const copy = (event) => {
      if (!mine() || !chosen.nodes.size || String(getSelection())) return;
      event.clipboardData.setData("text/plain", graph.copyText(history.present, chosen.nodes));
      event.preventDefault();
      if (event.type === "cut" && canEdit) remove();
    };
    const paste = (event) => { if (mine() && canEdit && pasted(event.clipboardData.getData("text/plain"), chosen.nodes.size ? shifted() : middle())) event.preventDefault(); };
    document.addEventListener("keydown", keys, true);
    document.addEventListener("copy", copy);
    document.addEventListener("cut", copy);
    document.addEventListener("paste", paste);
    return () => {
      document.removeEventListener("keydown", keys, true);
      document.removeEventListener("copy", copy);
      document.removeEventListener("cut", copy);
      document.removeEventListener("paste", paste);
    };
  });

  const onNodesChange = useCallback((changes) => {
    setNodes((now) => applyNodeChanges(changes.filter((change) => change.type !== "select" && change.type !== "remove"), now));
    const picks = changes.filter((change) => change.type === "select");
    if (picks.length) setChosen((now) => { const next = new Set(now.nodes); for (const pick of picks) next[pick.selected ? "add" : "delete"](pick.id); return { ...now, nodes: next }; });
    // Arrow keys move a box without a drag.
    const places = changes.filter((change) => change.type === "position" && change.position && change.dragging === false);
    if (places.length && canEdit) settle(places.map((change) => ({ id: change.id, position: change.position })));
  }, [canEdit]);

  const settle = useCallback((moved) => {
    const places = {}, notes = {};
    for (const { id, position } of moved) {
      const spot = [position.x, position.y];
      if (isNote(id)) notes[id.slice(5)] = graph.snap(spot);
      else if (String(history.present.places[id]) !== String(graph.snap(spot))) places[id] = spot;
    }
    if (Object.keys(places).length || Object.keys(notes).length) commit(graph.move(history.present, places, notes));
  }, [commit, history]);

  const onEdgesChange = useCallback((changes) => {
    const picks = changes.filter((change) => change.type === "select");
    if (picks.length) setChosen((now) => { const next = new Set(now.edges); for (const pick of picks) next[pick.selected ? "add" : "delete"](pick.id); return { ...now, edges: next }; });
  }, []);

  const ends = ({ source, sourceHandle, target, targetHandle }) => [`${source}.${sourceHandle}`, `${target}.${targetHandle}`];
  const board = useMemo(() => ({ catalogue, canEdit, doc: () => history.present, editNote: (id, text) => commit(graph.editNote(history.present, id, text)) }), [catalogue, canEdit, commit, history]);

  return (
    <Board.Provider value={board}>
      <div className="canvas" ref={wrapper} tabIndex={-1} role="application" aria-label="Pipeline. Tab goes from step to step, question mark shows the keys."
        onDragOver={(event) => { if (event.dataTransfer.types.includes(DRAG_TYPE)) { event.preventDefault(); event.dataTransfer.dropEffect = "copy"; } }}
        onDrop={(event) => { const step = event.dataTransfer.getData(DRAG_TYPE); if (step && canEdit) { event.preventDefault(); const at = flow.screenToFlowPosition({ x: event.clientX, y: event.clientY }); add(step, [at.x - 60, at.y - 20]); } }}>
        <ReactFlow nodes={nodes} edges={edges} nodeTypes={TYPES} onNodesChange={onNodesChange} onEdgesChange={onEdgesChange}
          onConnect={(connection) => commit(graph.connect(history.present, ...ends(connection)))}
          isValidConnection={(connection) => !graph.refusal(catalogue, history.present, ...ends(connection))}
          onNodeDragStop={(_, __, moved) => settle(moved)} nodesDraggable={canEdit} nodesConnectable={canEdit} deleteKeyCode={null} selectionKeyCode="Shift" multiSelectionKeyCode="Shift"
          snapToGrid snapGrid={[graph.GRID, graph.GRID]} minZoom={0.05} maxZoom={1.75} fitView fitViewOptions={{ padding: 0.15, maxZoom: 1 }} onlyRenderVisibleElements={docSeen.nodes.length > MANY}
          elevateNodesOnSelect={false} connectionRadius={28}>
          <Background variant={BackgroundVariant.Dots} gap={GRID_GAP} size={1} />
          {docSeen.nodes.length > 24 && <MiniMap pannable zoomable ariaLabel="Overview" nodeClassName={(node) => (node.type === "note" ? "mini-note" : `mini-${node.data.live?.status ?? "none"}`)} />}
        </ReactFlow>
        <Tools canEdit={canEdit} can={{ undo: history.past.length > 0, redo: history.future.length > 0 }} act={act} />
        <Status draft={draft} onSelect={(id) => { choose([id]); flow.fitView({ nodes: [{ id }], padding: 1.5, duration: 200, maxZoom: 1 }); }} onTheirs={() => draft.take(draft.conflict)} onMine={() => draft.keepMine()} />
        {open === "palette" && <Palette steps={[...catalogue.values()]} onAdd={(step) => add(step)} onClose={() => { setOpen(""); wrapper.current.focus(); }} />}
        {open === "keys" && <Keys onClose={() => setOpen("")} />}
        {open === "connect" && one && <Connect catalogue={catalogue} doc={history.present} id={one} onConnect={(from, to) => commit(graph.connect(history.present, from, to))} onClose={() => setOpen("")} />}
        {!docSeen.nodes.length && canEdit && (
          <div className="cempty"><p>An empty pipeline. Begin with where the rows come from.</p><button type="button" className="btn btn-primary" onClick={() => add("dataset", middle())}>Add a dataset</button></div>
        )}
      </div>
    </Board.Provider>
  );
}

const GRID_GAP = graph.GRID;
