import type { Location } from "../lib/errors.js";
import type { SymbolRequest } from "../model/resolved.js";
import type { Values } from "./evaluate.js";
import type { Reason } from "./explain.js";
import type { Kconfig, KconfigSymbol } from "./model.js";

export type FindingKind =
  | "unknown"
  | "no-prompt"
  | "legacy"
  | "unmet-dependency"
  | "wrong-value"
  | "choice-overridden"
  | "not-applied"
  | "kernel-headers"
  | "malformed";

/** One request that the resolved configuration does not honour. */
export interface GateFinding {
  readonly kind: FindingKind;
  readonly symbol: string;
  /** The request as a .config line. */
  readonly wanted: string;
  /** What the resolved .config has: a value, `n`, `not set` or `no such symbol`. */
  readonly actual: string;
  /** The line that asked. */
  readonly at: Location;
  readonly by: string;
  readonly message: string;
  readonly because: readonly Reason[];
  readonly remedy: string;
}

/** What a check of one request works with. */
export interface GateContext {
  readonly request: SymbolRequest;
  readonly symbol: KconfigSymbol;
  readonly values: Values;
  readonly kconfig: Kconfig;
  readonly requested: readonly SymbolRequest[];
  /** The finding about the kernel's headers, which explains many others. */
  readonly trap: GateFinding | undefined;
}

/** What a check found; the rest of a finding follows from its request. */
export type Verdict = Pick<GateFinding, "kind" | "message" | "remedy"> & { readonly because?: readonly Reason[] };
