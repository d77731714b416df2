// A poll never moves what the reader is reading or typing: while a menu is open, text is selected or a field is focused
// inside the polled part, that turn is skipped. Nor does a page that nobody sees ask for anything.
document.addEventListener("htmx:before:request", (event) => {
  const source = event.detail?.ctx?.sourceElement;
  if (!source?.getAttribute?.("hx-trigger")?.includes("every")) return;
  if (event.detail.ctx.sourceEvent?.type === "load") return;
  const selection = getSelection();
  const reading = document.hidden || source.querySelector("details.menu[open]")
    || (document.activeElement?.matches("input:not([type=checkbox], [type=radio]), textarea, select") && source.contains(document.activeElement))
    || (selection && !selection.isCollapsed && source.contains(selection.anchorNode));
  if (reading) event.preventDefault();
});
