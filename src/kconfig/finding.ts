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

/** A request that the resolved configuration does not honour. */
export interface GateFinding {
  readonly kind: FindingKind;
  readonly symbol: string;
  /** The request as a .config line. */
  readonly wanted: string;
  /** The value in the resolved .config, or `n`, `not set`, `no such symbol`. */
  readonly actual: string;
  /** The line with the request. */
  readonly at: Location;
  /** Who made the request, such as `feature docker`. */
  readonly by: string;
  readonly message: string;
  /** The reasons, for people. */
  readonly because: readonly Reason[];
  readonly remedy: string;
}

/** The input of the check of one request. */
export interface GateContext {
  readonly request: SymbolRequest;
  readonly symbol: KconfigSymbol;
  readonly values: Values;
  readonly kconfig: Kconfig;
  readonly requested: readonly SymbolRequest[];
  /** The finding about the kernel headers, if there is one: wrong headers are the cause of many other findings. */
  readonly headers: GateFinding | undefined;
}

/** The part of a finding that a check adds to its request. */
export type Diagnosis = Pick<GateFinding, "kind" | "message" | "remedy"> & { readonly because?: readonly Reason[] };
