import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { getCurrentTest } from "vitest/suite";
import { sha256 } from "../../src/lib/digest.js";
import { inputPath, inputs } from "./inputs.js";

const read = new Map<string, Buffer>();

/**
 * A large input of the vectors, from hal's cache; only for use inside a test. Skips the test where the cache does not have it.
 * @throws where the table has no such input, or the file has another digest
 */
export function readInput(name: string): Buffer {
  const known = read.get(name);
  if (known !== undefined) return known;
  const input = inputs[name];
  if (input === undefined) throw new Error(`test/vectors/inputs.ts has no ${name}`);
  const path = inputPath(name);
  if (!existsSync(path))
    getCurrentTest()?.context.skip(`${input.package} ${input.version} is not in hal's cache; scripts/fetch-inputs.ts fetches it`);
  const bytes = readFileSync(path);
  if (sha256(bytes) !== input.sha256) throw new Error(`${path} is damaged; scripts/fetch-inputs.ts fetches it again`);
  read.set(name, bytes);
  return bytes;
}

/** A small input of the vectors, from this directory. */
export function readSmallInput(name: string): Buffer {
  return readFileSync(join(import.meta.dirname, name));
}
