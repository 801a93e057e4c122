import { expect } from "vitest";
import { HalError } from "../../src/lib/errors.js";
import { type Random, seeded } from "./mutate.js";

export const fuzzRuns = 20_000;

/** The results of a fuzz test. */
interface Outcome {
  readonly accepted: number;
  readonly refused: number;
  /** The different messages, numbers left out. */
  readonly messages: ReadonlySet<string>;
}

/**
 * Gives a reader `runs` files: it must accept a file or refuse it with a HalError of kind "input" at an offset, in bounded memory.
 * Whoever calls this asserts that enough files were refused for enough reasons: a fuzz test that reaches nothing proves nothing.
 */
export function fuzz(makeFile: (random: Random) => Uint8Array, read: (bytes: Uint8Array) => unknown, runs = fuzzRuns): Outcome {
  const random = seeded(20261121);
  const messages = new Set<string>();
  let accepted = 0;
  const before = process.memoryUsage();
  for (let run = 0; run < runs; run++) {
    const bytes = makeFile(random);
    try {
      read(bytes);
      accepted++;
    } catch (error) {
      if (!(error instanceof HalError) || error.kind !== "input" || error.at?.offset === undefined) {
        throw new Error(`run ${run}: not a located input error`, { cause: error });
      }
      messages.add(error.message.replace(/0x[0-9a-f]+|\d+/g, "N"));
    }
  }
  const after = process.memoryUsage();
  expect(after.rss - before.rss).toBeLessThan(512 * 1024 * 1024);
  return { accepted, refused: runs - accepted, messages };
}
