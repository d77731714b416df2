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

function kept() {
  const view = localStorage.getItem(KEY);
  if (view === "list" || (view === "canvas" && matchMedia(WIDE).matches)) return view;
  return matchMedia(WIDE).matches ? "canvas" : "list";
}

choose(kept());
document.addEventListener("htmx:after:swap", () => choose(document.getElementById("pipeline-page")?.dataset.view ?? "list"));
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-view-choice]");
  if (!button) return;
  localStorage.setItem(KEY, button.dataset.viewChoice);
  choose(button.dataset.viewChoice);
});
