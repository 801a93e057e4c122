import { printable } from "../lib/errors.js";
import { formatSize } from "../lib/size.js";
import { table } from "../lib/terminal.js";
import type { Check, Figures } from "./checks/index.js";

/** Checks as a table: a mark, the name, what was found; and what was expected where that is something else. */
export function checkTable(checks: readonly Check[]): string {
  return table(
    checks.map(({ name, ok, expected, found }) => [ok ? "ok" : "FAIL", name, printable(ok ? found : `${found}; expected ${expected}`)]),
  );
}

/** One line of figures; those that the guest did not get to are left out. */
export function figureLine({ initSeconds, readySeconds, memoryUsed, memoryTotal }: Figures): string {
  return [
    initSeconds === undefined ? "" : `early boot ${initSeconds.toFixed(1)} s`,
    readySeconds === undefined ? "" : `ready after ${readySeconds.toFixed(1)} s`,
    memoryUsed === undefined || memoryTotal === undefined ? "" : `memory used ${formatSize(memoryUsed)} of ${formatSize(memoryTotal)}`,
  ]
    .filter((text) => text !== "")
    .join(", ");
}
