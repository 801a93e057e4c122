import type { Location } from "../lib/errors.js";
import type { Atom, Expr } from "./expression.js";

export type SymbolType = "bool" | "tristate" | "string" | "int" | "hex";

/** A condition with its line: a `depends on`, or an enclosing `if`, `menu` or `choice`. */
export interface Condition {
  readonly expr: Expr;
  readonly at: Location;
}

export interface Prompt {
  readonly text: string;
  readonly at: Location;
  /** Conditions that must all hold: the prompt's `if` and the `visible if` of the enclosing menus. */
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

/** One `config` block. A symbol can have several, in different files. */
export interface Definition {
  readonly at: Location;
  readonly prompt: Prompt | undefined;
  /** Conditions that must all hold: the block's `depends on`, and those of every enclosing `if`, `menu` and `choice`. */
  readonly conditions: readonly Condition[];
  readonly defaults: readonly Default[];
  readonly ranges: readonly Range[];
  readonly choice: Choice | undefined;
  readonly help: string;
}

/** A `select` or `imply` of another symbol, seen from the selected symbol. */
export interface Selection {
  /** The symbol that selects. */
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
  /** The symbols that this symbol selects. */
  readonly selects: readonly string[];
  /** The value from the environment (`option env=`). A .config has no line for such a symbol. */
  readonly environment: string | undefined;
}

export interface Kconfig {
  /** The prefix of a symbol's name in a .config: "" in Buildroot, "CONFIG_" in Linux. */
  readonly prefix: string;
  readonly symbols: ReadonlyMap<string, KconfigSymbol>;
  /** Number of files read. */
  readonly files: number;
}
