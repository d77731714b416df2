// The pipeline page as a canvas or as a list: the reader's choice is kept; narrow screens begin with the list.
const KEY = "studio:pipeline-view";
const WIDE = "(min-width: 56rem)";

function choose(view) {
  const page = document.getElementById("pipeline-page");
  if (!page) return;
  page.dataset.scripted = "";
  page.dataset.view = view;
  for (const button of page.querySelectorAll("[data-view-choice]")) button.setAttribute("aria-pressed", String(button.dataset.viewChoice === view));
}

// The list may be of an older draft (the canvas saves without it), and the panel may have gone to another step.
function renew() {
  const page = document.getElementById("pipeline-page");
  const list = document.getElementById("outline");
  if (page?.dataset.view !== "list" || !list) return;
  const step = document.getElementById("panel")?.dataset.step ?? "";
  const revision = page.querySelector("input[name=revision]")?.value;
  if (revision && revision !== list.dataset.revision) window.htmx.ajax("GET", `${list.dataset.address}?step=${encodeURIComponent(step)}`, { target: "#outline", swap: "outerHTML" });
  for (const link of list.querySelectorAll(".node[aria-current]")) if (link.id !== `to-${step}`) link.removeAttribute("aria-current");
  document.getElementById(`to-${step}`)?.setAttribute("aria-current", "true");
}

function kept() {
  const view = localStorage.getItem(KEY);
  if (view === "list" || (view === "canvas" && matchMedia(WIDE).matches)) return view;
  return matchMedia(WIDE).matches ? "canvas" : "list";
}

choose(kept());
document.addEventListener("htmx:after:swap", () => {
  choose(document.getElementById("pipeline-page")?.dataset.view ?? "list");
  renew();
});
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-view-choice]");
  if (!button) return;
  localStorage.setItem(KEY, button.dataset.viewChoice);
  choose(button.dataset.viewChoice);
  renew();
});
