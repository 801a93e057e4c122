import type { Location } from "../lib/errors.js";
import type { Atom, Expr } from "./expression.js";

export type SymbolType = "bool" | "tristate" | "string" | "int" | "hex";

/** A condition and the line that states it: `depends on`, or an enclosing `if`, `menu` or `choice`. */
export interface Condition {
  readonly expr: Expr;
  readonly at: Location;
}

export interface Prompt {
  readonly text: string;
  readonly at: Location;
  /** The prompt's own `if` and the `visible if` of the enclosing menus: all must hold. */
  readonly visible: readonly Condition[];
}

export interface Default {
  readonly value: Expr;
  readonly when: Expr | undefined;
  readonly at: Location;
}

export interface Range {
  readonly low: Atom;
  readonly high: Atom;
  readonly when: Expr | undefined;
}

export interface Choice {
  readonly at: Location;
  readonly prompt: Prompt | undefined;
  readonly conditions: readonly Condition[];
  readonly defaults: readonly Default[];
  readonly optional: boolean;
  readonly members: readonly string[];
}

/** One `config` block; a symbol may have several, in different files. */
export interface Definition {
  readonly at: Location;
  readonly prompt: Prompt | undefined;
  /** All must hold: the block's own `depends on` and those of every enclosing `if`, `menu` and `choice`. */
  readonly conditions: readonly Condition[];
  readonly defaults: readonly Default[];
  readonly ranges: readonly Range[];
  readonly choice: Choice | undefined;
  readonly help: string;
}

/** `by` selects (or implies) the symbol that carries this, when its `when` holds. */
export interface Selection {
  readonly by: string;
  readonly when: Expr | undefined;
  readonly at: Location;
}

export interface KconfigSymbol {
  readonly name: string;
  readonly type: SymbolType | undefined;
  readonly definitions: readonly Definition[];
  readonly selectedBy: readonly Selection[];
  readonly impliedBy: readonly Selection[];
  /** What this symbol selects itself. */
  readonly selects: readonly string[];
  /** Value given by the environment (`option env=`); such a symbol is in no .config. */
  readonly environment: string | undefined;
}

export interface Kconfig {
  /** What a symbol's name has before it in a .config: "" in Buildroot, "CONFIG_" in Linux. */
  readonly prefix: string;
  readonly symbols: ReadonlyMap<string, KconfigSymbol>;
  /** Number of files read, for the record. */
  readonly files: number;
}
