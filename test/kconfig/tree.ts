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

/** Makes a temporary directory with these files; it is removed after the tests. */
export function directory(files: Readonly<Record<string, string>> = {}): string {
  const dir = mkdtempSync(join(tmpdir(), "hal-kconfig-"));
  made.push(dir);
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(dir, name)), { recursive: true });
    writeFileSync(join(dir, name), text);
  }
  return dir;
}

/** Reads a Kconfig tree of these files, starting with the first. */
export function parseTree(
  files: Readonly<Record<string, string>>,
  { prefix = "", environment = {} }: { prefix?: "" | "CONFIG_"; environment?: Readonly<Record<string, string>> } = {},
): Kconfig {
  const [file = "Config.in"] = Object.keys(files);
  return parseKconfig({ root: directory(files), file, environment, prefix });
}

/** A real Buildroot tree, for the tests that need one. */
export const buildroot = process.env.HAL_TEST_BUILDROOT || undefined;
/** The reason to skip these tests; undefined with a tree. */
export const noBuildroot = buildroot === undefined ? "HAL_TEST_BUILDROOT is not set (the path of a Buildroot tree)" : undefined;
