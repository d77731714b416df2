// The entry point: everything a page may need, each part a small module; the chart is fetched only where one is shown.
import "./theme.js";
import "./menus.js";
import "./comments.js";
import "./confirm.js";
import "./copy.js";
import "./drawer.js";
import "./edits.js";
import "./forms.js";
import "./keys.js";
import "./log-view.js";
import "./paired-range.js";
import "./notices.js";
import "./palette.js";
import "./polling.js";
import "./row-keys.js";
import "./times.js";
import "./toasts.js";
import "./upload.js";
import "./view-switch.js";

const needed = { "metric-chart": "./metric-chart.js", "pipeline-builder": "./pipeline-builder.js", "review-desk": "./review.js" };

function fetchNeeded() {
  for (const [tag, module] of Object.entries(needed)) {
    if (document.querySelector(tag)) {
      import(module);
      delete needed[tag];
    }
  }
}

fetchNeeded();
document.addEventListener("htmx:after:swap", fetchNeeded);
