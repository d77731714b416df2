// Every form or button with data-confirm asks first, in the page's own dialog.
const dialog = document.getElementById("confirm");

/** Ask; resolves to whether the reader said yes. */
export function ask({ title, text, yes }) {
  dialog.querySelector("#confirm-title").textContent = title || "Are you sure?";
  dialog.querySelector("[data-confirm-text]").textContent = text || "";
  dialog.querySelector("[data-confirm-yes]").textContent = yes || "Go on";
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}

const wording = (element) => ({ title: element.dataset.confirmTitle, text: element.dataset.confirm, yes: element.dataset.confirmYes });

if (dialog) {
  document.addEventListener("submit", async (event) => {
    const form = event.target;
    const asking = event.submitter?.dataset?.confirm ? event.submitter : form.dataset.confirm ? form : null;
    if (!asking || form.dataset.confirmed) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    if (!(await ask(wording(asking)))) return;
    form.dataset.confirmed = "yes";
    form.requestSubmit(event.submitter);
    delete form.dataset.confirmed;
  }, true);

  document.addEventListener("htmx:confirm", (event) => {
    const source = event.detail?.ctx?.sourceElement ?? event.target;
    if (!source?.dataset?.confirm || source.tagName === "FORM") return;
    event.preventDefault();
    ask(wording(source)).then((yes) => (yes ? event.detail.issueRequest() : event.detail.dropRequest?.()));
  });
}
