import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { inputs } from "./inputs.js";

const files = readdirSync(import.meta.dirname);
const text = (name: string): string => readFileSync(join(import.meta.dirname, name), "utf8");

test.each(files.filter((name) => name.endsWith(".json")))(
  "%s names the origin of its values: a program, a machine or a publisher",
  (name) => {
    expect((JSON.parse(text(name)) as { origin?: string }).origin).toMatch(/^(computed|packed|published) (by|in) \S|^PCRs /);
  },
);

test("every file that a vector names is in the table of large inputs or in this directory", () => {
  const named = files
    .filter((name) => name.endsWith(".json"))
    .flatMap((name) => [...text(name).matchAll(/"(?:firmware|kernel|initrd|file)": "([^"]+\.[^"]+)"/g)].map(([, file = ""]) => file))
    .filter((file) => !file.startsWith("buildFirmware()"));
  expect(new Set(named).size).toBeGreaterThan(8);
  for (const file of named) expect(file in inputs || existsSync(join(import.meta.dirname, file)), file).toBe(true);
});
