// Figures as the rest of the Studio writes them.
const THIN = "\u202f";

export const count = (value) => String(Math.round(value)).replace(/\B(?=(\d{3})+(?!\d))/g, THIN);

export const money = (value) => `$${value >= 100 ? count(value) : value >= 0.01 ? value.toFixed(2) : value.toPrecision(2)}`;

export function duration(seconds) {
  if (seconds < 1) return "under 1 s";
  if (seconds < 60) return `${Math.round(seconds)} s`;
  if (seconds < 3600) return `${Math.round(seconds / 60)} min`;
  return `${Math.floor(seconds / 3600)} h ${Math.round((seconds % 3600) / 60)} min`;
}

/** An estimate: “about 4 min”, “under 1 s”. */
export const about = (seconds) => (seconds < 1 ? duration(seconds) : `about ${duration(seconds)}`);

export const bytes = (value) => (value >= 1e9 ? `${(value / 1e9).toFixed(1)} GB` : `${Math.round(value / 1e6)} MB`);

export function ago(iso) {
  const seconds = (Date.now() - new Date(iso)) / 1000;
  return seconds < 10 ? "just now" : `${duration(seconds)} ago`;
}
