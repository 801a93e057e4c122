import { lstatSync, readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { expect, test } from "vitest";
import { runCommand } from "../src/lib/tools.js";

const root = join(import.meta.dirname, "..");
const data = ["profiles", "layouts", "features", "compiled", "buildroot-external", "schema", "shell"];

/** Everything below a directory that is no directory, symbolic links too. */
function entries(dir: string): string[] {
  return readdirSync(dir, { recursive: true, encoding: "utf8" })
    .map((name) => join(dir, name))
    .filter((path) => !lstatSync(path).isDirectory());
}

test("an installed hal has every file of its data: npm leaves out symbolic links and some names without a word", async () => {
  const { stdout } = await runCommand({ tool: "npm", args: ["pack", "--dry-run", "--ignore-scripts", "--json"], cwd: root });
  const [{ files }] = JSON.parse(stdout) as [{ files: { path: string }[] }];
  const packed = files.map(({ path }) => path).filter((path) => data.includes(path.split("/")[0] ?? ""));
  const present = data.flatMap((dir) => entries(join(root, dir))).map((path) => relative(root, path));
  expect(packed.sort()).toEqual(present.sort());
});

test("the modules of compiled/ import no package: hal needs neither ajv nor Handlebars at run time", () => {
  const modules = readdirSync(join(root, "compiled")).filter((name) => name.endsWith(".js"));
  expect(modules.sort()).toEqual(["templates.js", "validators.js"]);
  for (const name of modules) expect(readFileSync(join(root, "compiled", name), "utf8")).not.toMatch(/^import |__require\("/m);
});

test("npm checks the bytes of every package that it installs", () => {
  const { packages } = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")) as {
    packages: Record<string, { integrity?: string; link?: boolean; inBundle?: boolean }>;
  };
  const downloaded = Object.entries(packages).filter(([path, { link, inBundle }]) => path !== "" && !link && !inBundle);
  expect(downloaded.length).toBeGreaterThan(100);
  expect(downloaded.filter(([, { integrity }]) => !/^sha512-/.test(integrity ?? "")).map(([path]) => path)).toEqual([]);
});
