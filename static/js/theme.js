// Theme and rail width are cookies, so that the server draws the page right the first time.
import { setCookie } from "./cookies.js";

const root = document.documentElement;

document.addEventListener("click", (event) => {
  const choice = event.target.closest("[data-theme-set]");
  if (choice) {
    const theme = choice.dataset.themeSet;
    if (theme === "system") delete root.dataset.theme;
    else root.dataset.theme = theme;
    setCookie("theme", theme === "system" ? "" : theme);
    for (const button of document.querySelectorAll("[data-theme-set]")) {
      button.setAttribute("aria-pressed", String(button.dataset.themeSet === theme));
    }
    document.dispatchEvent(new CustomEvent("studio:theme"));
  }
  if (event.target.closest("[data-rail-toggle]")) {
    const icons = root.dataset.rail !== "icons";
    if (icons) root.dataset.rail = "icons";
    else delete root.dataset.rail;
    setCookie("rail", icons ? "icons" : "");
  }
});

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => document.dispatchEvent(new CustomEvent("studio:theme")));
