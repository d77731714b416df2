// The few small signs the canvas needs, drawn in the manner of the Studio's icons.
const SHAPES = {
  check: "M20 6 9 17l-5-5",
  x: "M18 6 6 18M6 6l12 12",
  repeat: "m17 2 4 4-4 4M3 11v-1a4 4 0 0 1 4-4h14M7 22l-4-4 4-4M21 13v1a4 4 0 0 1-4 4H3",
  loader: "M21 12a9 9 0 1 1-6.219-8.56",
  hand: "M18 11V6a2 2 0 0 0-4 0v5M14 10V4a2 2 0 0 0-4 0v2M10 10.500V6a2 2 0 0 0-4 0v8M18 8a2 2 0 1 1 4 0v6a8 8 0 0 1-8 8h-2c-2.800 0-4.500-.860-5.990-2.340l-3.600-3.600a2 2 0 0 1 2.830-2.820L7 15",
  ban: "M4.900 4.900 19.100 19.100M12 2a10 10 0 1 0 0 20 10 10 0 0 0 0-20",
  clock: "M12 6v6l4 2M12 2a10 10 0 1 0 0 20 10 10 0 0 0 0-20",
  plus: "M5 12h14M12 5v14",
  undo: "M9 14 4 9l5-5M4 9h10.500a5.500 5.500 0 0 1 0 11H11",
  redo: "m15 14 5-5-5-5M20 9H9.500a5.500 5.500 0 0 0 0 11H13",
  tidy: "M3 4h6v6H3zM15 14h6v6h-6zM9 7h3a3 3 0 0 1 3 3v7",
  fit: "M8 3H5a2 2 0 0 0-2 2v3M21 8V5a2 2 0 0 0-2-2h-3M3 16v3a2 2 0 0 0 2 2h3M16 21h3a2 2 0 0 0 2-2v-3",
  note: "M21 15a2 2 0 0 1-2 2H7l-4 4V5a2 2 0 0 1 2-2h14a2 2 0 0 1 2 2z",
  keys: "M2 6h20v12H2zM6 10h.010M10 10h.010M14 10h.010M18 10h.010M7 14h10",
  warn: "m21.730 18-8-14a2 2 0 0 0-3.460 0l-8 14A2 2 0 0 0 4 21h16a2 2 0 0 0 1.730-3ZM12 9v4M12 17h.010",
};

export function Glyph({ name, className = "" }) {
  return (
    <svg className={`icon ${className}`} viewBox="0 0 24 24" fill="none" stroke="currentColor" strokeWidth="1.75" strokeLinecap="round" strokeLinejoin="round" aria-hidden="true">
      <path d={SHAPES[name]} />
    </svg>
  );
}
