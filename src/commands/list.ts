import { HalError } from "../lib/errors.js";
import { formatTable, print, printJson } from "../lib/terminal.js";
import { listDocuments } from "../load/catalog.js";
import { documentKinds } from "../load/kinds.js";
import { load } from "../load/load.js";
import { toPlain } from "../load/tree.js";

interface Entry {
  readonly kind: string;
  readonly name: string;
  readonly description: string;
  readonly file: string;
}

/** Lists profiles, layouts and features, one line each. */
export async function list(options: { json?: boolean }): Promise<void> {
  const entries: Entry[] = [];
  for (const kind of documentKinds) {
    for (const { name, file } of listDocuments(kind)) {
      try {
        const value = toPlain(await load(file, kind)) as { description?: string; abstract?: boolean };
        const description = `${value.description ?? ""}${value.abstract ? " (abstract)" : ""}`;
        entries.push({ kind, name, description, file });
      } catch (error) {
        if (!(error instanceof HalError)) throw error;
        entries.push({ kind, name, description: `invalid: ${error.message}`, file });
      }
    }
  }
  if (options.json) printJson(entries);
  else print(formatTable(entries.map((entry) => [entry.kind, entry.name, entry.description])));
}
