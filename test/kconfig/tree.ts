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

/** A real Buildroot tree for the tests that need one; without it they are skipped for the reason below. */
export const buildroot = process.env.HAL_TEST_BUILDROOT || undefined;
export const noBuildroot = buildroot === undefined ? "HAL_TEST_BUILDROOT is not set (the path of a Buildroot tree)" : undefined;
