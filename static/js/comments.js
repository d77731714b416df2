// Comments: open and shut the form that changes one, go to the one in the address once it is loaded, and complete @names.
document.addEventListener("click", (event) => {
  const opener = event.target.closest?.("[data-open], [data-shut]");
  if (!opener) return;
  const details = document.getElementById(opener.dataset.open ?? opener.dataset.shut);
  details.open = Boolean(opener.dataset.open);
  const area = details.open && details.querySelector("textarea");
  if (!area) return;
  area.focus();
  area.setSelectionRange(area.value.length, area.value.length);
});

document.addEventListener("toggle", (event) => {
  if (event.target.matches?.(".thread-answer[open]")) event.target.querySelector("textarea").focus();
}, true);

let arrived = "";

/** The comment that the address names is brought into view, once. */
function arrive() {
  if (!location.hash.startsWith("#comment-") || arrived === location.hash) return;
  const comment = document.getElementById(location.hash.slice(1));
  if (!comment) return;
  arrived = location.hash;
  comment.closest("details")?.setAttribute("open", "");
  comment.classList.add("is-fresh");
  comment.scrollIntoView({ block: "nearest" });
}

document.addEventListener("htmx:after:swap", arrive);
addEventListener("hashchange", arrive);
arrive();

// Names after an @: a list under the text; Enter or Tab takes the first that fits, arrows choose, Escape leaves.
const WORD = /(^|[^\w.@+/-])@([\w.@+-]*)$/;
let list = null;

function close() {
  list?.remove();
  list = null;
}

function take(area, name) {
  const before = area.value.slice(0, area.selectionStart).replace(/@[\w.@+-]*$/, `@${name} `);
  area.value = before + area.value.slice(area.selectionEnd);
  area.setSelectionRange(before.length, before.length);
  close();
  area.focus();
}

function suggest(area) {
  close();
  const word = area.value.slice(0, area.selectionStart).match(WORD)?.[2];
  if (word === undefined) return;
  const fits = JSON.parse(area.dataset.names).filter((name) => name.toLowerCase().startsWith(word.toLowerCase())).slice(0, 6);
  if (!fits.length || (fits.length === 1 && fits[0] === word)) return;
  list = document.createElement("div");
  list.className = "mention-list";
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", "Members");
  for (const [at, name] of fits.entries()) {
    const item = document.createElement("div");
    item.className = "menu-item";
    item.setAttribute("role", "option");
    item.setAttribute("aria-selected", String(at === 0));
    item.textContent = name;
    item.addEventListener("mousedown", (event) => { event.preventDefault(); take(area, name); });
    list.append(item);
  }
  area.after(list);
}

document.addEventListener("input", (event) => {
  if (event.target.matches?.("textarea[data-names]")) suggest(event.target);
});
document.addEventListener("focusout", (event) => {
  if (event.target.matches?.("textarea[data-names]")) close();
});
document.addEventListener("keydown", (event) => {
  const area = event.target;
  if (!area.matches?.("textarea[data-names]")) return;
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    area.form.requestSubmit();
    return;
  }
  if (!list) return;
  const items = [...list.children];
  const at = items.findIndex((item) => item.getAttribute("aria-selected") === "true");
  if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    items[at].setAttribute("aria-selected", "false");
    items[(at + (event.key === "ArrowDown" ? 1 : -1) + items.length) % items.length].setAttribute("aria-selected", "true");
  } else if (event.key === "Enter" || event.key === "Tab") take(area, items[at].textContent);
  else if (event.key === "Escape") close();
  else return;
  event.preventDefault();
  event.stopPropagation();
}, true);
