// The canvas: the document drawn by React Flow, and every way to change it.
import { Background, BackgroundVariant, MiniMap, ReactFlow, ReactFlowProvider, applyNodeChanges, getViewportForBounds, useReactFlow, useStoreApi } from "@xyflow/react";
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { Status, Tools } from "./Bar.jsx";
import { Board } from "./board.js";
import { boxes, isNote, lines } from "./boxes.js";
import { Connect } from "./Connect.jsx";
import { boxAt, boxesWithin, frame, scene } from "./far.js";
import { FarView, Overview } from "./Far.jsx";
import * as graph from "./graph.js";
import { Keys } from "./Keys.jsx";
import { NoteNode } from "./NoteNode.jsx";
import { DRAG_TYPE, Palette } from "./Palette.jsx";
import { StepNode } from "./StepNode.jsx";

const TYPES = { step: StepNode, note: NoteNode };
const NONE = [];
/** Room kept for the tools above and the bar below when all is shown. */
const AROUND = { top: "64px", right: "32px", bottom: "88px", left: "32px" };
// From so many boxes on only those in view are drawn, and plain ones below the first scale until the second is reached again.
const MANY = 120;
const FAR = 0.42;
const NEAR = 0.5;

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

  const known = { catalogue, draft, problems, chosen: chosen.nodes, fresh: fresh.current };
  useEffect(() => { setNodes((before) => boxes(docSeen, before, known)); }, [docSeen, draft.details, draft.live, draft.plan, draft.comments, problems, chosen, catalogue]);
  const edges = useMemo(() => lines(docSeen, catalogue, chosen.edges), [docSeen, catalogue, chosen.edges]);

  // A large pipeline from far away is one picture; React Flow gets its boxes when one comes nearer.
  const many = docSeen.nodes.length > MANY;
  const store = useStoreApi();
  const [first] = useState(() => (many ? around(scene(boxes(doc, NONE, known), doc, catalogue).frame, studio.getBoundingClientRect()) : undefined));
  const [away, setAway] = useState(() => many && first.zoom < FAR);
  useEffect(() => store.subscribe(({ transform }) => setAway((was) => transform[2] < (was ? NEAR : FAR))), [store]);
  // A canvas that was hidden at first had no size to fit anything into.
  useEffect(() => (many && !studio.offsetWidth ? store.subscribe(({ width }, before) => { if (width && !before.width) look(); }) : undefined), []);
  const far = many && away;
  const whole = useMemo(() => (many ? scene(nodes, docSeen, catalogue) : null), [many, nodes, docSeen, catalogue]);
  const dragged = useRef(null);

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

  /** Move the view so that these boxes (or all) are in it. */
  const look = useCallback((ids) => {
    if (history.present.nodes.length <= MANY) return flow.fitView({ nodes: ids?.map((id) => ({ id })), padding: ids ? 1.5 : AROUND, duration: 200, maxZoom: 1 });
    const all = scene(boxes(history.present, NONE, { catalogue, draft, problems: {}, chosen: new Set(), fresh: "" }), history.present, catalogue).boxes;
    const { width, height } = store.getState();
    return flow.setViewport(around(frame(ids ? all.filter((box) => ids.includes(box.id)) : all), { width, height }, ids ? 1.5 : 0.1), { duration: 200 });
  }, [catalogue, draft, flow, history, store]);

  const choose = useCallback((ids, edgeIds = []) => setChosen({ nodes: new Set(ids), edges: new Set(edgeIds) }), []);
  const one = chosen.nodes.size === 1 && ![...chosen.nodes].some(isNote) ? [...chosen.nodes][0] : "";

  useEffect(() => { studio.show(one); }, [one, studio]);

  const act = useMemo(() => ({
    palette: () => setOpen("palette"),
    keys: () => setOpen("keys"),
    fit: () => look(),
    undo: () => { if (history.undo()) { draft.set(history.present); studio.changed(); } },
    redo: () => { if (history.redo()) { draft.set(history.present); studio.changed(); } },
    tidy: () => { commit(graph.arrange(catalogue, history.present, draft.details)); setTimeout(look, 60); },
    note: () => { const [next, id] = graph.addNote(history.present, middle()); fresh.current = id; commit(next); choose([`note:${id}`]); },
  }), [catalogue, choose, commit, draft, history, look, middle, studio]);

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
        : event.altKey ? {} : { "/": act.palette, "?": act.keys, f: act.fit, l: act.tidy, n: act.note, c: () => one && setOpen("connect"), "+": () => flow.zoomIn(), "-": () => flow.zoomOut(), delete: remove, backspace: remove, escape: () => choose([]), ...(far ? { arrowright: () => walk(1), arrowleft: () => walk(-1), enter: () => one && look([one]) } : {}) };
      const run = table[key];
      if (!run || (!canEdit && !["f", "?", "+", "-", "escape", "a", "arrowright", "arrowleft", "enter"].includes(key))) return;
      event.preventDefault();
      event.stopImmediatePropagation();
      run();
    };
    // From what is chosen now, not when this was drawn: keys come faster than pictures.
    const walk = (by) => setChosen(({ nodes: now }) => {
      const ids = history.present.nodes.map((node) => node.id);
      const from = now.size === 1 ? ids.indexOf([...now][0]) : -1;
      const next = from < 0 ? (by > 0 ? 0 : ids.length - 1) : (from + by + ids.length) % ids.length;
      return { nodes: new Set([ids[next]]), edges: new Set() };
    });
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

  // What is done with the mouse to boxes that are only painted.
  const spot = (event) => flow.screenToFlowPosition({ x: event.clientX, y: event.clientY }, { snapToGrid: false });
  const under = (event) => boxAt(whole.boxes, spot(event), 3 / flow.getZoom());
  const painted = far ? {
    onPaneClick: (event) => { const box = under(event); choose(box ? [box.id] : []); },
    onSelectionStart: (event) => { dragged.current = spot(event); },
    onSelectionEnd: (event) => { const began = dragged.current; if (began && event) setTimeout(() => choose(boxesWithin(whole.boxes, began, spot(event)).map((box) => box.id))); },
    onPaneMouseMove: (event) => { const box = under(event); event.currentTarget.title = box ? `${box.title}, ${box.id}` : ""; },
  } : {};

  const ends = ({ source, sourceHandle, target, targetHandle }) => [`${source}.${sourceHandle}`, `${target}.${targetHandle}`];
  const board = useMemo(() => ({ catalogue, canEdit, doc: () => history.present, editNote: (id, text) => commit(graph.editNote(history.present, id, text)) }), [catalogue, canEdit, commit, history]);

  return (
    <Board.Provider value={board}>
      <div className="canvas" ref={wrapper} tabIndex={-1} role="application" aria-label={far ? "Pipeline, seen from far away. The arrows right and left go from step to step, Enter goes near, question mark shows the keys." : "Pipeline. Tab goes from step to step, question mark shows the keys."}
        onDoubleClick={far ? (event) => { const box = under(event); if (box) look([box.id]); } : undefined}
        onDragOver={(event) => { if (event.dataTransfer.types.includes(DRAG_TYPE)) { event.preventDefault(); event.dataTransfer.dropEffect = "copy"; } }}
        onDrop={(event) => { const step = event.dataTransfer.getData(DRAG_TYPE); if (step && canEdit) { event.preventDefault(); const at = flow.screenToFlowPosition({ x: event.clientX, y: event.clientY }); add(step, [at.x - 60, at.y - 20]); } }}>
        <ReactFlow nodes={far ? NONE : nodes} edges={far ? NONE : edges} nodeTypes={TYPES} {...painted} onNodesChange={onNodesChange} onEdgesChange={onEdgesChange}
          onConnect={(connection) => commit(graph.connect(history.present, ...ends(connection)))}
          isValidConnection={(connection) => !graph.refusal(catalogue, history.present, ...ends(connection))}
          onNodeDragStop={(_, __, moved) => settle(moved)} nodesDraggable={canEdit} nodesConnectable={canEdit} deleteKeyCode={null} selectionKeyCode="Shift" multiSelectionKeyCode="Shift"
          snapToGrid snapGrid={[graph.GRID, graph.GRID]} minZoom={many ? LEAST : 0.05} maxZoom={1.75} fitView={!first} fitViewOptions={{ padding: AROUND, maxZoom: 1 }} defaultViewport={first} onlyRenderVisibleElements={many} zoomOnDoubleClick={!far}
          elevateNodesOnSelect={false} connectionRadius={28}>
          {far ? <FarView scene={whole} /> : <Background variant={BackgroundVariant.Dots} gap={GRID_GAP} size={1} />}
          {docSeen.nodes.length > 24 && !many && <MiniMap pannable zoomable ariaLabel="Overview" nodeClassName={(node) => (node.type === "note" ? "mini-note" : `mini-${node.data.live?.status ?? "none"}`)} />}
        </ReactFlow>
        {many && <Overview scene={whole} onGo={({ x, y }) => flow.setCenter(x, y, { zoom: flow.getZoom() })} />}
        <Tools canEdit={canEdit} can={{ undo: history.past.length > 0, redo: history.future.length > 0 }} act={act} />
        <Status draft={draft} onSelect={(id) => { choose([id]); look([id]); }} onTheirs={() => draft.take(draft.conflict)} onMine={() => draft.keepMine()} />
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
const LEAST = 0.02;

function around(bounds, { width, height }, padding = 0.1) {
  return getViewportForBounds(bounds, width || 800, height || 600, LEAST, 1, padding);
}
