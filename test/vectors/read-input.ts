import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, test } from "vitest";

/** Other people's binaries that the vectors were made with; they lie beside the checkout or nowhere. */
const directory = fileURLToPath(new URL("../../../shared/vectors/inputs/", import.meta.url));

/** `describe` where the inputs are there, otherwise a skipped one that says why. */
export const describeWithInputs: (name: string, body: () => void) => void = existsSync(directory)
  ? describe
  : (name) =>
      describe.skip(name, () => {
        // The body reads the inputs while it is collected, skipped or not: it is left out.
        test("skipped: the inputs of the shared vectors are not beside this checkout", () => {});
      });

export function readInput(name: string): Buffer {
  return readFileSync(`${directory}${name}`);
}
