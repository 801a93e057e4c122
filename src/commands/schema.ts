import { HalError } from "../lib/errors.js";
import { nearest } from "../lib/nearest.js";
import { print } from "../lib/terminal.js";
import { schemaNames, schemaText } from "../load/schema.js";

/** Prints a JSON Schema, for editors; without a name, the names of all schemas. */
export function schema(kind: string | undefined): void {
  const names = schemaNames();
  if (kind === undefined) {
    print(names.join("\n"));
    return;
  }
  const name = kind.toLowerCase();
  if (!names.includes(name)) {
    const guess = nearest(name, names);
    throw new HalError("input", `there is no schema '${kind}'`, {
      remedy: guess === undefined ? `known: ${names.join(", ")}` : `did you mean '${guess}'?`,
    });
  }
  print(schemaText(name));
}
