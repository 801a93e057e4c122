import type { BackendName } from "../backends/backend.js";
import { HalError } from "../lib/errors.js";

/** Options of the command line that only the buildroot backend has; undefined or false when they are not given. */
interface BuildrootFlags {
  readonly buildroot?: string | undefined;
  readonly allowVersion?: boolean | undefined;
  readonly until?: string | undefined;
  readonly shell?: boolean | undefined;
}

/** @throws HalError "input" for the first of these options when another backend is chosen */
export function refuseBuildrootOptions(backend: BackendName, { buildroot, allowVersion, until, shell }: BuildrootFlags): void {
  if (backend === "buildroot") return;
  const given = { "--buildroot": buildroot, "--allow-version": allowVersion, "--until": until, "--shell": shell };
  const [option] = Object.entries(given).find(([, value]) => value !== undefined && value !== false) ?? [];
  if (option !== undefined) throw new HalError("input", `${option} is the buildroot backend's, and this is --backend ${backend}`);
}
