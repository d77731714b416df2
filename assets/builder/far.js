// A large pipeline seen from far away: plain boxes and lines on one picture instead of a thousand elements.
import { height, owner, WIDTH } from "./graph.js";

const GROUPS = { Data: "--run", Teacher: "--teacher", Curation: "--wait", Training: "--student", Evaluation: "--ok", Review: "--warn", Export: "--quantised" };
const STATES = { succeeded: "--ok", cached: "--ok", failed: "--fail", running: "--run", waiting: "--wait" };
const NAMES = ["--surface", "--canvas", "--line-strong", "--ink", "--ink-2", "--ink-3", "--accent", "--base", "--warn-soft", ...new Set([...Object.values(GROUPS), ...Object.values(STATES)])];
const READABLE = 0.26;

/** What there is to be drawn of React Flow's nodes: `boxes` as plain figures, `lines` from box to box, and the frame around all. */
export function scene(nodes, doc, catalogue) {
  const boxes = nodes.map(({ id, type, position, measured, selected, data }) => (type === "note"
    ? { id, x: position.x, y: position.y, w: measured?.width ?? 224, h: measured?.height ?? 80, note: true, selected, title: data.text }
    : { id, x: position.x, y: position.y, w: WIDTH, h: measured?.height ?? height(catalogue, data.node, { [id]: data.details }), selected, title: data.step?.label ?? data.node.step, mark: GROUPS[data.step?.group] ?? "--base", state: STATES[data.live?.status], status: data.live?.status, problems: data.problems.length }));
  const at = new Map(boxes.map((box) => [box.id, box]));
  const lines = doc.edges.map(({ from, to }) => [at.get(owner(from)), at.get(owner(to))]).filter(([a, b]) => a && b);
  return { boxes, lines, frame: frame(boxes) };
}

export function frame(boxes) {
  if (!boxes.length) return { x: 0, y: 0, width: 1, height: 1 };
  let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
  for (const { x, y, w, h } of boxes) {
    left = Math.min(left, x);
    top = Math.min(top, y);
    right = Math.max(right, x + w);
    bottom = Math.max(bottom, y + h);
  }
  return { x: left, y: top, width: right - left, height: bottom - top };
}

/** The uppermost box at a spot of the canvas, `slack` units around it counted in. */
export function boxAt(boxes, { x, y }, slack = 0) {
  return boxes.findLast((box) => !box.note && x >= box.x - slack && x <= box.x + box.w + slack && y >= box.y - slack && y <= box.y + box.h + slack);
}

export const boxesWithin = (boxes, a, b) => boxes.filter((box) => box.x < Math.max(a.x, b.x) && box.x + box.w > Math.min(a.x, b.x) && box.y < Math.max(a.y, b.y) && box.y + box.h > Math.min(a.y, b.y));

/** Draw a scene on a <canvas> of `width` × `height` pixels; [x, y, zoom] is React Flow's transform. */
export function paint(canvas, { boxes, lines }, [x, y, zoom], { width, height: tall, plain = false }) {
  const scale = devicePixelRatio || 1;
  if (canvas.width !== Math.round(width * scale) || canvas.height !== Math.round(tall * scale)) {
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(tall * scale);
  }
  const styles = getComputedStyle(canvas);
  const colour = Object.fromEntries(NAMES.map((name) => [name, styles.getPropertyValue(name)]));
  const ctx = canvas.getContext("2d");
  ctx.setTransform(1, 0, 0, 1, 0, 0);
  ctx.clearRect(0, 0, canvas.width, canvas.height);
  ctx.setTransform(scale * zoom, 0, 0, scale * zoom, x * scale, y * scale);
  const view = { left: -x / zoom, top: -y / zoom, right: (width - x) / zoom, bottom: (tall - y) / zoom };
  const seen = (left, top, right, bottom) => right >= view.left && left <= view.right && bottom >= view.top && top <= view.bottom;
  if (!plain) strokes(ctx, lines, seen, colour["--line-strong"], 1.25 / zoom);
  const edge = 1 / zoom;
  const words = !plain && zoom >= READABLE;
  const size = Math.min(22, 10.5 / zoom);
  ctx.font = `600 ${size}px ${styles.getPropertyValue("--font-sans") || "sans-serif"}`;
  ctx.textBaseline = "middle";
  for (const box of boxes) {
    if (!seen(box.x, box.y, box.x + box.w, box.y + box.h)) continue;
    ctx.fillStyle = box.note ? colour["--warn-soft"] : plain ? colour[box.state ?? "--ink-3"] : colour["--surface"];
    ctx.fillRect(box.x, box.y, box.w, box.h);
    if (plain && !box.selected) continue;
    ctx.lineWidth = box.selected ? 2.5 * edge : edge;
    ctx.strokeStyle = colour[box.selected ? "--accent" : box.problems ? "--warn" : box.state ?? "--line-strong"];
    ctx.strokeRect(box.x, box.y, box.w, box.h);
    if (box.note || plain) continue;
    // The stripe on the left says what kind of step it is, the one at the bottom how it went.
    ctx.fillStyle = colour[box.mark];
    ctx.fillRect(box.x, box.y, Math.max(8, 2 * edge), box.h);
    if (box.problems || box.state) {
      ctx.fillStyle = colour[box.problems ? "--warn" : box.state];
      ctx.fillRect(box.x, box.y + box.h - Math.max(12, 3 * edge), box.w, Math.max(12, 3 * edge));
    }
    if (words) {
      ctx.fillStyle = colour["--ink"];
      ctx.fillText(fitting(ctx, box.title, box.w - 36, size), box.x + 22, box.y + Math.max(28, size));
      ctx.fillStyle = colour["--ink-2"];
      ctx.fillText(fitting(ctx, box.id, box.w - 36, size), box.x + 22, box.y + Math.max(28, size) + size * 1.5);
    }
  }
}

function strokes(ctx, lines, seen, colour, width) {
  ctx.beginPath();
  for (const [a, b] of lines) {
    const [x1, y1, x2, y2] = [a.x + a.w, a.y + a.h / 2, b.x, b.y + b.h / 2];
    if (!seen(Math.min(x1, x2) - 200, Math.min(y1, y2), Math.max(x1, x2) + 200, Math.max(y1, y2))) continue;
    const bend = x2 >= x1 ? (x2 - x1) / 2 : 60;
    ctx.moveTo(x1, y1);
    ctx.bezierCurveTo(x1 + bend, y1, x2 - bend, y2, x2, y2);
  }
  ctx.strokeStyle = colour;
  ctx.lineWidth = width;
  ctx.stroke();
}

const cut = new Map();

/** A text that fits a width, with an ellipsis; measured once a text and size. */
function fitting(ctx, text, width, size) {
  const key = `${Math.round(size)} ${text}`;
  if (!cut.has(key)) {
    let kept = text;
    while (kept && ctx.measureText(kept === text ? kept : `${kept}…`).width > width) kept = kept.slice(0, -1);
    if (cut.size > 20_000) cut.clear();
    cut.set(key, kept === text ? text : kept && `${kept}…`);
  }
  return cut.get(key);
}
