import { cp, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { formatError, HalError } from "../../src/lib/errors.js";
import { halRoot } from "../../src/lib/paths.js";
import { resolve } from "../../src/resolve/resolve.js";
import { workspace } from "./workspace.js";

const RUNS = 10_000;

/** Text with a special meaning in YAML, a shell, make, Kconfig or a terminal. */
const nasty = [
  "\0",
  "\n",
  "\t",
  ":",
  "- ",
  "{",
  "[",
  "]",
  "}",
  "&a ",
  "*a",
  "!x ",
  "!replace ",
  "$(id)",
  "`id`",
  "${x}",
  "'",
  '"',
  "\\",
  "../",
  "~",
  "<<: ",
  "? ",
  "%YAML 9\n",
  "---\n",
  "\u001b[2J",
  "\ufeff",
  "\ud800",
  "1e999",
  "0x",
  "null",
  "__proto__",
  "#",
];

type Mutation = { readonly at: number; readonly drop: number; readonly put: string; readonly copyFrom: number | undefined };

const mutation: fc.Arbitrary<Mutation> = fc.record({
  at: fc.nat(),
  drop: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 40 })),
  put: fc.oneof(fc.constant(""), fc.constantFrom(...nasty), fc.string({ maxLength: 8 })),
  copyFrom: fc.option(fc.nat(), { nil: undefined, freq: 6 }),
});

function mutate(text: string, mutations: readonly Mutation[]): string {
  let result = text;
  for (const { at, drop, put, copyFrom } of mutations) {
    const place = at % (result.length + 1);
    const copied = copyFrom === undefined ? "" : result.slice(copyFrom % (result.length + 1)).slice(0, 60);
    result = result.slice(0, place) + put + copied + result.slice(place + drop);
  }
  return result;
}

test(`${RUNS} mutated profiles are resolved or refused with one located message`, async () => {
  const dir = await workspace({});
  await cp(join(halRoot, "profiles/kernel"), join(dir, "kernel"), { recursive: true });
  const file = join(dir, "p.yaml");
  const names = (await readdir(join(halRoot, "profiles"))).filter((name) => name.endsWith(".yaml")).sort();
  const texts = await Promise.all(
    names.map(async (name) => {
      const text = await readFile(join(halRoot, "profiles", name), "utf8");
      return text.replace(/^name: .*$/m, "name: p").replace(/^abstract: .*$/m, "");
    }),
  );
  let refused = 0;
  let accepted = 0;
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...texts), fc.array(mutation, { minLength: 1, maxLength: 4 }), async (text, mutations) => {
      await writeFile(file, mutate(text, mutations));
      try {
        await resolve(file);
        accepted += 1;
      } catch (error) {
        if (!(error instanceof HalError)) throw error;
        expect(error.kind).toBe("input");
        expect(error.at).toBeDefined();
        expect(formatError(error)).not.toMatch(/\bat .*\.[jt]s:\d+/);
        refused += 1;
      }
      expect((await readdir(dir)).sort()).toEqual(["kernel", "p.yaml"]);
    }),
    { numRuns: RUNS, seed: 20261121, endOnFailure: true },
  );
  // Mutations that are all refused, or none, would test nothing.
  expect(refused).toBeGreaterThan(RUNS / 4);
  expect(accepted).toBeGreaterThan(RUNS / 100);
}, 600_000);
