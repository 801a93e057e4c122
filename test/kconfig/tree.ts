import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll } from "vitest";
import type { Kconfig } from "../../src/kconfig/model.js";
import { parseKconfig } from "../../src/kconfig/parse.js";

const made: string[] = [];

afterAll(() => {
  for (const dir of made) rmSync(dir, { recursive: true, force: true });
});

/** A directory with these files, removed after the tests of the file that asked for it. */
export function directory(files: Readonly<Record<string, string>> = {}): string {
  const dir = mkdtempSync(join(tmpdir(), "hal-kconfig-"));
  made.push(dir);
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(dir, name)), { recursive: true });
    writeFileSync(join(dir, name), text);
  }
  return dir;
}

/** A Kconfig tree of these files; the first one is where reading starts. */
export function parseTree(
  files: Readonly<Record<string, string>>,
  { prefix = "", environment = {} }: { prefix?: "" | "CONFIG_"; environment?: Readonly<Record<string, string>> } = {},
): Kconfig {
  const [file = "Config.in"] = Object.keys(files);
  return parseKconfig({ root: directory(files), file, environment, prefix });
}

/** The Buildroot tree that gated tests work on; without it they say why they do not run. */
export function buildrootUnderTest(): string | undefined {
  const dir = process.env.HAL_TEST_BUILDROOT;
  if (dir === undefined || dir === "") {
    console.log("skipped: set HAL_TEST_BUILDROOT to a Buildroot tree to run the gate against the real one");
    return undefined;
  }
  return dir;
}
