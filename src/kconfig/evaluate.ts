import { type DotConfig, plainValue } from "./dotconfig.js";
import { type Atom, type CompareOperator, type Expr, formatExpression, symbolsIn } from "./expression.js";
import type { Condition, Kconfig, KconfigSymbol } from "./model.js";

/** n, m, y as Kconfig orders them. */
export type Tristate = 0 | 1 | 2;

const TRISTATE: Readonly<Record<string, Tristate>> = { n: 0, m: 1, y: 2 };

/** The resolved values that expressions are judged by. */
export class Values {
  readonly #kconfig: Kconfig;
  readonly #config: DotConfig;

  constructor(kconfig: Kconfig, config: DotConfig) {
    this.#kconfig = kconfig;
    this.#config = config;
  }

  /** As written in the .config; undefined when it has no line for the symbol. `name` is without prefix. */
  written(name: string): string | undefined {
    const environment = this.#kconfig.symbols.get(name)?.environment;
    return this.#config.entries.get(this.#kconfig.prefix + name)?.value ?? environment;
  }

  tristate(name: string): Tristate {
    return TRISTATE[this.written(name) ?? "n"] ?? 0;
  }

  /** For messages: `n` for what has no line. */
  shown(name: string): string {
    const written = this.written(name);
    if (written !== undefined) return written;
    const type = this.#kconfig.symbols.get(name)?.type;
    if (type === undefined) return this.#kconfig.symbols.has(name) ? "not set" : "no such symbol";
    return type === "bool" || type === "tristate" ? "n" : "not set";
  }

  /** A name that no file defines stands for its own text, as numbers do. */
  text(atom: Atom): string {
    if (atom.kind === "constant") return atom.value;
    if (atom.kind === "macro") return atom.text;
    const symbol = this.#kconfig.symbols.get(atom.name);
    if (symbol === undefined) return atom.name;
    return plainValue(this.written(atom.name) ?? (symbol.type === "bool" || symbol.type === "tristate" ? "n" : ""));
  }

  /** Macro calls count as y: hal cannot know them, and must not blame them. */
  evaluate(expr: Expr): Tristate {
    switch (expr.kind) {
      case "symbol":
        return this.tristate(expr.name);
      case "constant":
        return TRISTATE[expr.value] ?? 0;
      case "macro":
        return 2;
      case "compare":
        return compare(expr.op, this.text(expr.left), this.text(expr.right)) ? 2 : 0;
      case "not":
        return (2 - this.evaluate(expr.term)) as Tristate;
      case "and":
        return Math.min(...expr.terms.map((term) => this.evaluate(term))) as Tristate;
      case "or":
        return Math.max(...expr.terms.map((term) => this.evaluate(term))) as Tristate;
    }
  }

  /** The least of all conditions; y when there are none. */
  all(conditions: readonly Condition[]): Tristate {
    return Math.min(2, ...conditions.map(({ expr }) => this.evaluate(expr))) as Tristate;
  }

  /** Each term, with its line, that keeps the conditions below `need`. */
  failing(conditions: readonly Condition[], need: Tristate): readonly Condition[] {
    return conditions.flatMap(({ expr, at }) => failingTerms(expr, need, this).map((term) => ({ expr: term, at })));
  }

  /** A term with the current values of its symbols: `BR2_USE_MMU (n)`, `A || B (A is n, B is n)`. */
  describe(expr: Expr): string {
    if (expr.kind === "symbol") return `${expr.name} (${this.shown(expr.name)})`;
    const names = symbolsIn(expr).filter((name) => !/^\d/.test(name));
    if (names.length === 0) return formatExpression(expr);
    return `${formatExpression(expr)} (${names.map((name) => `${name} is ${this.shown(name)}`).join(", ")})`;
  }
}

function failingTerms(expr: Expr, need: Tristate, values: Values): readonly Expr[] {
  if (values.evaluate(expr) >= need) return [];
  return expr.kind === "and" ? expr.terms.flatMap((term) => failingTerms(term, need, values)) : [expr];
}

/** Numbers are compared as numbers, anything else as text (kconfig's expr.c, expr_calc_value). */
function compare(op: CompareOperator, left: string, right: string): boolean {
  const [a, b] = [numberOf(left), numberOf(right)];
  const order = a !== undefined && b !== undefined ? Math.sign(a - b) : left === right ? 0 : left < right ? -1 : 1;
  const holds: Readonly<Record<CompareOperator, boolean>> = {
    "=": order === 0,
    "!=": order !== 0,
    "<": order < 0,
    "<=": order <= 0,
    ">": order > 0,
    ">=": order >= 0,
  };
  return holds[op];
}

/** A decimal or hexadecimal number; undefined for any other text. */
export function numberOf(text: string): number | undefined {
  return /^-?(?:\d+|0[xX][0-9a-fA-F]+)$/.test(text) ? Number(text) : undefined;
}

/** Whether a symbol has a prompt anywhere, that is, whether a configuration can set it at all. */
export function isSettable(symbol: KconfigSymbol): boolean {
  return symbol.definitions.some(({ prompt }) => prompt !== undefined);
}
