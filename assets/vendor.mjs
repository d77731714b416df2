// Copies the browser code, fonts and icons the Studio serves out of node_modules, each with its licence.
import { cpSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const NODE = "node_modules";
const OUT = "static/vendor";

const copies = [
  ["htmx.org/LICENSE", "htmx/LICENSE"],
  ["uplot/LICENSE", "uplot/LICENSE"],
  ["@fontsource-variable/inter/LICENSE", "fonts/INTER-LICENSE"],
  ["@fontsource-variable/jetbrains-mono/LICENSE", "fonts/JETBRAINS-MONO-LICENSE"],
  ["lucide-static/LICENSE", "lucide/LICENSE"],
  ["tailwindcss/LICENSE", "licences/TAILWINDCSS-LICENSE"],
  ["daisyui/LICENSE", "licences/DAISYUI-LICENSE"],
  ["react/LICENSE", "licences/REACT-LICENSE"],
  ["@xyflow/react/LICENSE", "licences/XYFLOW-LICENSE"],
  ["@dagrejs/dagre/LICENSE", "licences/DAGRE-LICENSE"],
  // The accessibility checker of the browser tests; no page serves it.
  ["axe-core/axe.min.js", "../../tests/browser/axe/axe.min.js"],
  ["axe-core/LICENSE", "../../tests/browser/axe/LICENSE"],
];
for (const script of ["latin", "latin-ext", "cyrillic", "greek", "vietnamese"]) {
  copies.push([`@fontsource-variable/inter/files/inter-${script}-wght-normal.woff2`, `fonts/inter-${script}.woff2`]);
  copies.push([
    `@fontsource-variable/jetbrains-mono/files/jetbrains-mono-${script}-wght-normal.woff2`,
    `fonts/jetbrains-mono-${script}.woff2`,
  ]);
}

for (const folder of ["htmx", "uplot", "fonts", "lucide", "licences"]) rmSync(join(OUT, folder), { recursive: true, force: true });

for (const [from, to] of copies) {
  const target = join(OUT, to);
  mkdirSync(join(target, ".."), { recursive: true });
  // A source map comment would make every browser with open tools ask for a file that is not served.
  if (to.endsWith(".js")) writeFileSync(target, readFileSync(join(NODE, from), "utf8").replace(/\n?\/\/# sourceMappingURL=.*\s*$/, "\n"));
  else cpSync(join(NODE, from), target);
}

// htmx and its extension in one file: htmx reads the page as soon as it may, and an extension that arrives later has missed it.
const parts = ["htmx.org/dist/htmx.min.js", "htmx.org/dist/ext/hx-ptag.min.js"].map((name) => readFileSync(join(NODE, name), "utf8").replace(/\n?\/\/# sourceMappingURL=.*\s*$/, "").trimEnd());
writeFileSync(join(OUT, "htmx/htmx.min.js"), `${parts.join(";\n")}\n`);

// uPlot's module build is three times the size of its minified one: that one, as a module.
const uplot = readFileSync(join(NODE, "uplot/dist/uPlot.iife.min.js"), "utf8");
writeFileSync(join(OUT, "uplot/uPlot.min.js"), `${uplot.trimEnd()}\nexport default uPlot;\n`);

const known = new Set(readdirSync(join(NODE, "lucide-static/icons")));
for (const name of readFileSync("assets/icons.txt", "utf8").split("\n").filter(Boolean)) {
  if (!known.has(`${name}.svg`)) throw new Error(`lucide has no icon '${name}' (assets/icons.txt)`);
  const svg = readFileSync(join(NODE, `lucide-static/icons/${name}.svg`), "utf8");
  const shapes = svg.replace(/<!--[\s\S]*?-->/g, "").replace(/^[\s\S]*?<svg[\s\S]*?>/, "").replace(/<\/svg>\s*$/, "");
  const body = shapes.split("\n").map((line) => line.trim()).filter(Boolean).join("");
  writeFileSync(
    join(OUT, `lucide/${name}.svg`),
    `<svg xmlns="http://www.w3.org/2000/svg" width="16" height="16" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="1.75" stroke-linecap="round" stroke-linejoin="round">${body}</svg>\n`,
  );
}
