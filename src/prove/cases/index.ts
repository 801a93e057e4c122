import type { Layout } from "../../model/generated.js";
import { bootFileCases } from "./boot-files.js";
import type { HostileCase } from "./case.js";
import { diskCases } from "./disk.js";
import { firmwareCases } from "./firmware.js";
import { foreignCases } from "./foreign.js";
import { rootCases } from "./root.js";
import { runningCases } from "./running.js";
import { tableCases } from "./tables.js";

/** All cases, in the order in which they run. */
const cases: readonly HostileCase[] = [
  ...rootCases,
  ...bootFileCases,
  ...diskCases,
  ...foreignCases,
  ...runningCases,
  ...firmwareCases,
  ...tableCases,
];

/** The cases that apply to a layout; none for a layout without a verified root. */
export function casesFor(layout: Layout): HostileCase[] {
  if (layout.root.type !== "verity") return [];
  const has = { rw: layout.rw !== undefined, swap: layout.swap !== undefined, integrity: layout.rw?.integrity === "hmac-sha256" };
  return cases.filter(({ needs }) => needs === undefined || has[needs]);
}
