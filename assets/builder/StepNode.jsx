// A step as a box: what it is, its key settings, how it went, what it would do, and its ports.
import { Handle, Position, useConnection } from "@xyflow/react";
import { memo, useContext } from "react";
import { Board } from "./board.js";
import { Glyph } from "./Glyph.jsx";
import { refusal } from "./graph.js";
import { about, count, duration, money } from "./words.js";

const GLYPHS = { succeeded: "check", cached: "repeat", running: "loader", failed: "x", waiting: "hand", cancelled: "ban", blocked: "ban", pending: "clock" };
const WORDS = { succeeded: "succeeded", cached: "reused", running: "running", failed: "failed", waiting: "waits for a person", cancelled: "cancelled", blocked: "blocked", pending: "pending" };

export const StepNode = memo(function StepNode({ id, data, selected }) {
  const board = useContext(Board);
  const { node, step, details, problems, live, plan, comments } = data;
  const drag = useConnection((connection) => (connection.inProgress ? `${connection.fromHandle.type}:${connection.fromNode.id}.${connection.fromHandle.id}` : ""));
  const status = live?.status;
  return (
    <div className={`cnode${selected ? " is-selected" : ""}${problems.length ? " has-problems" : ""}${status === "failed" ? " is-failed" : ""}`}>
      <div className="cnode-head">
        <span className={`cnode-mark group-${slug(step?.group)}`} aria-hidden="true" />
        <span className="cnode-title">{step?.label ?? node.step}</span>
        {comments > 0 && <span className="cnode-comments" title={threads(comments)}><Glyph name="note" />{comments}</span>}
        {problems.length > 0 && <span className="cnode-problems" title={problems.map((p) => p.message).join("\n")}>{problems.length}</span>}
        {status && <span className={`cnode-state state-${status}`} title={`Newest run: ${WORDS[status] ?? status}`}><Glyph name={GLYPHS[status] ?? "clock"} /></span>}
      </div>
      <div className="cnode-id">{id}</div>
      {details.slice(0, 2).map(([label, value]) => (
        <div className="cnode-param" key={label}><span>{label}</span><span className="cnode-value">{value}</span></div>
      ))}
      <div className="cnode-ports">
        <div>{step?.inputs.map((one) => <Port key={one.name} side="target" end={`${id}.${one.name}`} one={one} drag={drag} board={board} />)}</div>
        <div>{step?.outputs.map((one) => <Port key={one.name} side="source" end={`${id}.${one.name}`} one={one} drag={drag} board={board} />)}</div>
      </div>
      {live?.fraction != null && <progress className="cnode-progress" max="1" value={live.fraction} aria-label={`${id}: progress`} />}
      <div className="cnode-foot">{foot(live, plan)}</div>
    </div>
  );
});

function Port({ side, end, one, drag, board }) {
  let fit = "";
  if (drag) {
    const [type, other] = drag.split(/:(.*)/s);
    if (type === side) fit = other === end ? "" : " is-dim";
    else fit = refusal(board.catalogue, board.doc(), side === "target" ? other : end, side === "target" ? end : other) ? " is-dim" : " is-fit";
  }
  const target = side === "target";
  return (
    <div className={`cport cport-${side} kind-${one.kind}${fit}`} title={`${one.help || one.name} (${one.kind}${one.optional ? ", optional" : ""})`}>
      <Handle id={one.name} type={side} position={target ? Position.Left : Position.Right} isConnectable={board.canEdit} aria-hidden="true" />
      <span>{one.name}{one.optional ? "?" : ""}</span>
    </div>
  );
}

function foot(live, plan) {
  const parts = [];
  const done = live && ["succeeded", "cached"].includes(live.status);
  if (done && live.rowsIn != null && live.rowsKept != null) parts.push(live.rowsIn === live.rowsKept ? `${count(live.rowsKept)} rows` : `${count(live.rowsIn)} → ${count(live.rowsKept)}`);
  if (done && live.cost) parts.push(money(live.cost));
  if (done && live.status !== "cached" && live.seconds) parts.push(duration(live.seconds));
  if (parts.length) return parts.join(" · ");
  if (plan?.verdict === "reuse") return `as in run ${plan.reused_run}`;
  if (plan?.seconds || plan?.cost_usd) return [plan.seconds ? about(plan.seconds) : "", plan.cost_usd ? money(plan.cost_usd) : ""].filter(Boolean).join(" · ");
  return plan?.rows ? `about ${count(plan.rows)} rows` : "\u00a0";
}

const threads = (count) => `${count} open ${count === 1 ? "thread" : "threads"} of comments`;
const slug = (group = "other") => group.toLowerCase();

/** What a screen reader says of a box. */
export function spoken(node, step, problems, live, comments = 0) {
  const parts = [`${step?.label ?? node.step}, ${node.id}`];
  if (live?.status) parts.push(WORDS[live.status] ?? live.status);
  if (problems.length) parts.push(`${problems.length} ${problems.length === 1 ? "problem" : "problems"}: ${problems[0].message}`);
  if (comments) parts.push(threads(comments));
  return parts.join(". ");
}
