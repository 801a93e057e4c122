import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import Handlebars from "handlebars";
import { root } from "./schemas.js";

/** A module that exports the functions of all templates and the Handlebars instance that runs them; compiled/templates.d.ts has the types. */
export function compileTemplates(): string {
  const dir = join(root, "templates");
  const names = readdirSync(dir, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".hbs"));
  const entries = names.sort().map((name) => {
    const source = readFileSync(join(dir, name), "utf8");
    const code = String(Handlebars.precompile(source, { strict: true, noEscape: false }));
    return `  ${JSON.stringify(name.replace(/\.hbs$/, ""))}: handlebars.template(${code}),\n`;
  });
  // An instance of its own: helpers are given with each call, and no other code can register one.
  return `import runtime from "handlebars/runtime.js";
export const handlebars = runtime.create();
export const templates = {
${entries.join("")}};
`;
}
