// Ctrl-K: go to anything, start anything. Pages are known at once; datasets, pipelines and runs come from the server.
const dialog = document.getElementById("palette");

if (dialog) {
  const input = dialog.querySelector("input");
  const list = dialog.querySelector("[role=listbox]");
  let items = [];
  let at = 0;
  let asked = 0;
  let timer = 0;

  const pages = () => [...document.querySelectorAll(".rail-nav .rail-link")].map((link) => ({
    label: link.title || link.textContent.trim(), href: link.href, group: "Go to", hint: link.dataset.go ?? "", icon: link.querySelector("svg"),
  }));
  const actions = () => [...document.querySelectorAll("[data-command]")].filter((element) => !element.closest("dialog")).map((element) => ({
    label: element.dataset.command, group: "On this page", run: () => element.click(), icon: element.querySelector("svg"),
  }));
  const themes = () => [["Theme of the system", "system"], ["Light theme", "light"], ["Dark theme", "dark"]].map(([label, name]) => ({
    label, group: "Preferences", run: () => document.querySelector(`[data-theme-set=${name}]`)?.click(), icon: document.querySelector(`[data-theme-set=${name}] svg`),
  }));

  const matches = (label, words) => words.every((word) => label.toLowerCase().includes(word));

  function draw(found) {
    items = found;
    at = 0;
    list.replaceChildren();
    let group = "";
    found.forEach((item, index) => {
      if (item.group !== group) {
        group = item.group;
        const head = document.createElement("div");
        head.className = "palette-group";
        head.setAttribute("role", "presentation");
        head.textContent = group;
        list.append(head);
      }
      const option = document.createElement("div");
      option.id = `palette-${index}`;
      option.setAttribute("role", "option");
      if (item.icon) option.append(item.icon.cloneNode(true));
      const label = document.createElement("span");
      label.textContent = item.label;
      option.append(label);
      if (item.hint) {
        const hint = document.createElement("span");
        hint.className = "palette-hint";
        hint.textContent = item.hint;
        option.append(hint);
      }
      option.addEventListener("pointermove", () => select(index));
      option.addEventListener("click", () => choose(index));
      list.append(option);
    });
    if (!found.length) {
      const none = document.createElement("div");
      none.className = "palette-none";
      none.setAttribute("role", "presentation");
      none.textContent = "Nothing by that name. Try fewer letters.";
      list.append(none);
    }
    select(0);
  }

  function select(index) {
    if (!items.length) return;
    at = (index + items.length) % items.length;
    for (const option of list.querySelectorAll("[role=option]")) option.setAttribute("aria-selected", String(option.id === `palette-${at}`));
    input.setAttribute("aria-activedescendant", `palette-${at}`);
    list.querySelector(`#palette-${at}`)?.scrollIntoView({ block: "nearest" });
  }

  function choose(index) {
    const item = items[index];
    if (!item) return;
    dialog.close();
    if (item.href) location.assign(item.href);
    else item.run();
  }

  async function search() {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    const known = [...actions(), ...pages(), ...themes()].filter((item) => matches(item.label, words));
    draw(known);
    const source = dialog.dataset.source;
    if (!source) return;
    const turn = ++asked;
    try {
      const answer = await fetch(`${source}?q=${encodeURIComponent(input.value)}`, { headers: { Accept: "application/json" } });
      if (!answer.ok || turn !== asked || !dialog.open) return;
      const found = (await answer.json()).items.map((item) => ({ ...item, icon: document.querySelector(`[data-go^="g ${item.key}"] svg`) }));
      const kept = at;
      draw([...known, ...found]);
      select(kept);
    } catch {
      // The pages are still there; a server that does not answer says so on the page itself.
    }
  }

  function show() {
    if (dialog.open) return;
    input.value = "";
    dialog.showModal();
    search();
  }

  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-palette-open]")) show();
    if (event.target === dialog) dialog.close();
  });
  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
      event.preventDefault();
      if (dialog.open) dialog.close();
      else show();
    }
  });
  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(search, 80);
  });
  input.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown") select(at + 1);
    else if (event.key === "ArrowUp") select(at - 1);
    else if (event.key === "Enter") choose(at);
    else return;
    event.preventDefault();
  });
}
