import { type DotConfig, plainValue } from "./dotconfig.js";
import { type Atom, type CompareOperator, type Expr, formatExpression, symbolsIn } from "./expression.js";
import type { Condition, Kconfig, KconfigSymbol } from "./model.js";

/** The values n, m and y in Kconfig's order. */
export type Tristate = 0 | 1 | 2;

const TRISTATE: Readonly<Record<string, Tristate>> = { n: 0, m: 1, y: 2 };

/** The symbols' values in a resolved .config, and the evaluation of expressions with them. */
export class Values {
  readonly #kconfig: Kconfig;
  readonly #config: DotConfig;

  constructor(kconfig: Kconfig, config: DotConfig) {
    this.#kconfig = kconfig;
    this.#config = config;
  }

  /**
   * The value as the .config has it; undefined without a line for the symbol.
   * @param name the symbol without prefix
   */
  written(name: string): string | undefined {
    const environment = this.#kconfig.symbols.get(name)?.environment;
    return this.#config.entries.get(this.#kconfig.prefix + name)?.value ?? environment;
  }

  tristate(name: string): Tristate {
    return TRISTATE[this.written(name) ?? "n"] ?? 0;
  }

  /** The value for a message: `n`, `not set` or `no such symbol` when the .config has no line for the symbol. */
  shown(name: string): string {
    const written = this.written(name);
    if (written !== undefined) return written;
    const type = this.#kconfig.symbols.get(name)?.type;
    if (type === undefined) return this.#kconfig.symbols.has(name) ? "not set" : "no such symbol";
    return type === "bool" || type === "tristate" ? "n" : "not set";
  }

  /** The text of an operand. A name that no file defines is its own text, as a number is. */
  text(atom: Atom): string {
    if (atom.kind === "constant") return atom.value;
    if (atom.kind === "macro") return atom.text;
    const symbol = this.#kconfig.symbols.get(atom.name);
    if (symbol === undefined) return atom.name;
    return plainValue(this.written(atom.name) ?? (symbol.type === "bool" || symbol.type === "tristate" ? "n" : ""));
  }

  /** Evaluates an expression. A macro call counts as y: hal does not run it, so it is never reported as the cause. */
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

  /** The minimum of all conditions; y without conditions. */
  all(conditions: readonly Condition[]): Tristate {
    return Math.min(2, ...conditions.map(({ expr }) => this.evaluate(expr))) as Tristate;
  }

  /** The terms whose value is below `need`, each with its line. */
  failing(conditions: readonly Condition[], need: Tristate): readonly Condition[] {
    return conditions.flatMap(({ expr, at }) => failingTerms(expr, need, this).map((term) => ({ expr: term, at })));
  }

  /** A term with the current values of its symbols: `BR2_USE_MMU (n)`, `A || B (A is n, B is n)`. */
  format(expr: Expr): string {
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

/** Compares two numbers as numbers, any other operands as text (scripts/kconfig/expr.c, expr_calc_value). */
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

/** Whether a configuration can set a symbol: one of its definitions has a prompt. */
export function isSettable(symbol: KconfigSymbol): boolean {
  return symbol.definitions.some(({ prompt }) => prompt !== undefined);
}
