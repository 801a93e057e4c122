import { HalError } from "../lib/errors.js";
import { nearest } from "../lib/nearest.js";
import { print } from "../lib/terminal.js";
import { schemaNames, schemaText } from "../load/schema.js";

/** The JSON Schema of a kind, for editors; without a kind, the kinds. */
export function schema(kind: string | undefined): void {
  const names = schemaNames();
  if (kind === undefined) {
    print(names.join("\n"));
    return;
  }
  const name = kind.toLowerCase();
  if (!names.includes(name)) {
    const guess = nearest(name, names);
    throw new HalError("input", `there is no schema for '${kind}'`, {
      remedy: guess === undefined ? `known: ${names.join(", ")}` : `did you mean '${guess}'?`,
    });
  }
  print(schemaText(name));
}
