// <metric-chart src="…" live>: curves over steps, drawn with uPlot, with a table of the same numbers for screen readers.
//
// Data is JSON, from `src` (fetched again every two seconds while `live` and the answer says "live": true) or from the
// json_script element named by `data`:
//   {"x": [1, 2, …], "series": [{"name": "Loss", "role": "student", "values": [2.1, null, …], "smooth": true}], "live": true}
import uPlot from "../vendor/uplot/uPlot.min.js";

const EVERY = 2000;
const TABLE_ROWS = 200;

class MetricChart extends HTMLElement {
  connectedCallback() {
    this.tall = Number(this.getAttribute("height")) || 240;
    this.stage = make("div", "chart-stage");
    this.stage.setAttribute("aria-hidden", "true");
    this.note = make("div", "chart-empty");
    this.table = this.querySelector("details") ?? make("details", "chart-table");
    if (!this.table.querySelector("summary")) this.table.append(Object.assign(make("summary", ""), { textContent: "As a table" }));
    this.table.addEventListener("toggle", () => this.fillTable());
    this.replaceChildren(this.stage, this.table);
    this.resizer = new ResizeObserver(() => this.resize());
    this.resizer.observe(this);
    this.redraw = () => { this.plot?.destroy(); this.plot = null; this.draw(); };
    document.addEventListener("studio:theme", this.redraw);
    this.load();
  }

  disconnectedCallback() {
    clearTimeout(this.timer);
    this.resizer.disconnect();
    document.removeEventListener("studio:theme", this.redraw);
    this.plot?.destroy();
    this.plot = null;
  }

  async load() {
    const inline = this.getAttribute("data");
    try {
      if (inline) {
        this.take(JSON.parse(document.getElementById(inline).textContent));
      } else if (!document.hidden) {
        const answer = await fetch(this.getAttribute("src"), { headers: { Accept: "application/json" } });
        if (answer.ok) this.take(await answer.json());
        else if (!this.shown) this.say("The curve could not be loaded. Reload the page to try again.");
      }
    } catch {
      if (!this.shown) this.say("The curve could not be loaded. Reload the page to try again.");
    }
    if (this.isConnected && !inline && this.hasAttribute("live") && this.shown?.live !== false) this.timer = setTimeout(() => this.load(), EVERY);
  }

  take(data) {
    const before = this.shown;
    const same = before && before.series.length === data.series.length && before.x.length === data.x.length && before.x.at(-1) === data.x.at(-1);
    this.shown = data;
    if (same && this.plot) return;
    if (before && before.series.length !== data.series.length) {
      this.plot?.destroy();
      this.plot = null;
    }
    this.draw();
    this.fillTable();
  }

  say(text) {
    this.note.textContent = text;
    this.stage.append(this.note);
  }

  columns() {
    const columns = [this.shown.x];
    for (const series of this.shown.series) {
      if (series.smooth) columns.push(series.values, smooth(series.values));
      else columns.push(series.values);
    }
    return columns;
  }

  draw() {
    if (!this.shown) return;
    if (!this.shown.x.length) {
      this.say(this.shown.live === false ? "No points were recorded." : "The first point appears after the first step.");
      return;
    }
    this.note.remove();
    if (this.plot) {
      this.plot.setData(this.columns());
      this.labels();
      return;
    }
    const style = getComputedStyle(this);
    const colour = (name) => style.getPropertyValue(`--${name}`).trim();
    const series = [{ label: this.getAttribute("x-label") || "step" }];
    this.ends = [];
    for (const one of this.shown.series) {
      const stroke = colour(one.role || "student") || colour("accent");
      if (one.smooth) series.push({ label: `${one.name} (each step)`, stroke: `color-mix(in srgb, ${stroke} 35%, transparent)`, width: 1, points: { show: false }, spanGaps: true });
      this.ends.push({ index: series.length, name: one.name, stroke });
      series.push({ label: one.name, stroke, width: 2, points: { show: one.values.filter((value) => value != null).length < 3 }, spanGaps: true, dash: one.dash ? [5, 4] : undefined });
    }
    const axis = { stroke: colour("ink-2"), font: `11px ${style.getPropertyValue("--font-mono") || "monospace"}`, ticks: { show: false }, grid: { stroke: colour("line"), width: 1 } };
    this.cutNote = make("div", "chart-cut");
    this.tip = make("div", "chart-tip");
    this.tip.hidden = true;
    this.marks = this.ends.map((end) => {
      const mark = make("div", "chart-label");
      mark.style.color = end.stroke;
      return mark;
    });
    this.wasNarrow = this.narrow();
    this.plot = new uPlot({
      width: Math.max(200, this.clientWidth),
      height: this.tall,
      padding: [12, this.room(), 0, 4],
      legend: { show: false },
      cursor: { y: false, points: { size: 7 } },
      scales: { x: { time: false }, y: { range: (_, low, high) => this.heights(low, high) } },
      axes: [{ ...axis, size: 28, grid: { show: false } }, { ...axis, size: 48, values: (_, ticks) => ticks.map(short) }],
      series,
      hooks: { setCursor: [(plot) => this.point(plot)], draw: [() => this.labels()] },
    }, this.columns(), this.stage);
    const axisName = make("div", "chart-axis");
    axisName.textContent = this.getAttribute("x-label") || "step";
    this.plot.over.append(this.tip, axisName, this.cutNote, ...this.marks);
    this.labels();
  }

  /**
   * The range of the y axis. A curve that begins far above where it lives (a loss does) would be a flat line along the
   * bottom: then the axis ends just above nearly all of the points, and a note says how high the curve goes.
   */
  heights(low, high) {
    if (low == null) return [0, 1];
    const values = this.shown.series.flatMap((series) => series.values).filter((value) => value != null).sort((a, b) => a - b);
    const most = values[Math.floor(0.94 * (values.length - 1))];
    const cut = values.length >= 40 && low >= 0 && high > 2.5 * most;
    const top = cut ? 1.6 * most : high;
    if (this.cutNote) {
      this.cutNote.hidden = !cut;
      this.cutNote.textContent = cut ? `up to ${short(high)} above the axis` : "";
    }
    const span = top - low || Math.abs(top) || 1;
    const floor = low >= 0 && low - 0.1 * span < 0.35 * top ? 0 : low - 0.08 * span;
    return [floor, top + 0.06 * span];
  }

  /** Space to the right of the plot for the names written at the ends of the lines. */
  room() {
    if (this.narrow()) return 36;
    return Math.min(150, 24 + 7 * Math.max(...this.shown.series.map((series) => series.name.length + 7)));
  }

  /** Whether names at the ends of the lines would leave too little room for the lines: then they stand in the corner. */
  narrow() {
    return this.clientWidth < 520;
  }

  labels() {
    if (!this.plot || !this.marks) return;
    const columns = this.plot.data;
    const shown = [];
    this.ends.forEach((end, i) => {
      const values = columns[end.index];
      let at = values.length - 1;
      while (at >= 0 && values[at] == null) at -= 1;
      const mark = this.marks[i];
      mark.hidden = at < 0;
      if (at < 0) return;
      mark.textContent = `${end.name} ${short(values[at])}`;
      mark.style.right = "auto";
      // All names stand in one column at the right, also that of a curve that ends earlier: over the others it could not be read.
      mark.style.left = `${this.plot.over.clientWidth + 8}px`;
      shown.push({ mark, top: this.plot.valToPos(values[at], "y") - 8 });
    });
    if (this.narrow()) {
      shown.forEach(({ mark }, i) => Object.assign(mark.style, { left: "auto", right: "4px", top: `${4 + 16 * i}px` }));
      Object.assign(this.cutNote.style, { top: `${4 + 16 * shown.length}px` });
      return;
    }
    this.cutNote.style.top = "";
    shown.sort((a, b) => a.top - b.top);
    let floor = this.plot.over.clientHeight;
    for (const one of shown.toReversed()) {
      one.top = Math.min(one.top, floor - 16);
      floor = one.top;
    }
    for (const { mark, top } of shown) mark.style.top = `${top}px`;
  }

  point(plot) {
    const at = plot.cursor.idx;
    this.tip.hidden = at == null || plot.cursor.left < 0;
    if (this.tip.hidden) return;
    const parts = [`${plot.series[0].label} ${plot.data[0][at]}`];
    for (const end of this.ends) if (plot.data[end.index][at] != null) parts.push(`${end.name} ${short(plot.data[end.index][at])}`);
    this.tip.textContent = parts.join("  ");
    const left = plot.cursor.left + 12;
    this.tip.style.left = `${Math.min(left, plot.over.clientWidth - this.tip.offsetWidth)}px`;
    this.tip.style.top = "4px";
  }

  resize() {
    if (this.plot && this.clientWidth && this.plot.width !== this.clientWidth) {
      if (this.narrow() !== this.wasNarrow) this.redraw();
      else this.plot.setSize({ width: this.clientWidth, height: this.tall });
    }
  }

  fillTable() {
    if (!this.table.open || !this.shown) return;
    this.table.querySelector("table")?.remove();
    const table = make("table", "table table-dense");
    const caption = make("caption", "");
    const rows = this.shown.x.length;
    caption.textContent = `${this.getAttribute("label") || "Curve"}: ${rows > TABLE_ROWS ? `every ${Math.ceil(rows / TABLE_ROWS)}th of ${rows} points` : `${rows} points`}`;
    const head = document.createElement("tr");
    for (const name of [this.getAttribute("x-label") || "step", ...this.shown.series.map((series) => series.name)]) {
      const cell = make("th", "num");
      cell.scope = "col";
      cell.textContent = name;
      head.append(cell);
    }
    const body = document.createElement("tbody");
    const every = Math.max(1, Math.ceil(rows / TABLE_ROWS));
    for (let i = 0; i < rows; i += every) {
      const row = document.createElement("tr");
      for (const value of [this.shown.x[i], ...this.shown.series.map((series) => series.values[i])]) {
        const cell = make("td", "num");
        cell.textContent = value == null ? "–" : short(value);
        row.append(cell);
      }
      body.append(row);
    }
    const thead = document.createElement("thead");
    thead.append(head);
    table.append(caption, thead, body);
    this.table.append(table);
  }
}

function make(tag, css) {
  const element = document.createElement(tag);
  if (css) element.className = css;
  return element;
}

/** A centred, triangle-weighted mean: it hides noise without lagging behind a falling curve. */
function smooth(values) {
  if (values.length < 40) return values;
  const reach = Math.max(2, Math.round(values.length / 40));
  return values.map((value, at) => {
    if (value == null) return null;
    let sum = 0;
    let weights = 0;
    const span = Math.min(reach, at, values.length - 1 - at);
    for (let i = at - span; i <= at + span; i += 1) {
      if (values[i] == null) continue;
      const weight = span + 1 - Math.abs(i - at);
      sum += weight * values[i];
      weights += weight;
    }
    return sum / weights;
  });
}

function short(value) {
  if (value == null) return "–";
  const size = Math.abs(value);
  if (size !== 0 && (size < 0.001 || size >= 1e6)) return value.toExponential(1);
  return Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(4)));
}

customElements.define("metric-chart", MetricChart);
