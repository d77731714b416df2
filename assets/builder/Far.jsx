// Over the empty React Flow of a large pipeline seen from far away, and its map in the corner: both are one picture each.
import { useStore, useStoreApi } from "@xyflow/react";
import { useEffect, useLayoutEffect, useRef } from "react";
import { paint } from "./far.js";

const MAP = { width: 200, height: 150 };
const size = (state) => `${state.width} ${state.height}`;

/** Call `draw` now, whenever the view moves (once a frame), and when the theme changes. */
function useDrawing(draw) {
  const store = useStoreApi();
  useLayoutEffect(() => {
    let frame = 0;
    const soon = () => { frame ||= requestAnimationFrame(() => { frame = 0; draw(store.getState()); }); };
    draw(store.getState());
    const stop = store.subscribe((now, before) => { if (now.transform !== before.transform || now.width !== before.width || now.height !== before.height) soon(); });
    const theme = new MutationObserver(soon);
    theme.observe(document.documentElement, { attributes: true });
    const dark = matchMedia("(prefers-color-scheme: dark)");
    dark.addEventListener("change", soon);
    return () => { cancelAnimationFrame(frame); stop(); theme.disconnect(); dark.removeEventListener("change", soon); };
  }, [draw, store]);
}

export function FarView({ scene }) {
  const picture = useRef(null);
  const draw = useRef(null);
  draw.current = ({ transform, width, height }) => { if (width && height) paint(picture.current, scene, transform, { width, height }); };
  const store = useStoreApi();
  const stable = useRef((state) => draw.current(state)).current;
  useDrawing(stable);
  useEffect(() => draw.current(store.getState()), [scene, store]);
  return <canvas ref={picture} className="cfar" aria-hidden="true" />;
}

/** Where one is in a large pipeline. Press or drag to go elsewhere. */
export function Overview({ scene, onGo }) {
  useStore(size);
  const store = useStoreApi();
  const picture = useRef(null);
  const sight = useRef(null);
  const { frame } = scene;
  const zoom = Math.min(MAP.width / (frame.width * 1.06), MAP.height / (frame.height * 1.06));
  const [left, top] = [MAP.width / 2 - (frame.x + frame.width / 2) * zoom, MAP.height / 2 - (frame.y + frame.height / 2) * zoom];
  const place = useRef(null);
  place.current = ({ transform: [x, y, k], width, height }) => {
    Object.assign(sight.current.style, { left: `${left + (-x / k) * zoom}px`, top: `${top + (-y / k) * zoom}px`, width: `${(width / k) * zoom}px`, height: `${(height / k) * zoom}px` });
  };
  const stable = useRef((state) => place.current(state)).current;
  useDrawing(stable);
  useEffect(() => { paint(picture.current, scene, [left, top, zoom], { ...MAP, plain: true }); place.current(store.getState()); }, [scene, left, top, zoom, store]);
  const go = (event) => {
    if (!(event.buttons & 1)) return;
    const box = event.currentTarget.getBoundingClientRect();
    onGo({ x: (event.clientX - box.left - left) / zoom, y: (event.clientY - box.top - top) / zoom });
  };
  return (
    <div className="cmap nopan nowheel" role="img" aria-label="Overview of the pipeline" onPointerDown={(event) => { event.currentTarget.setPointerCapture(event.pointerId); go(event); }} onPointerMove={go}>
      <canvas ref={picture} /><div ref={sight} />
    </div>
  );
}
