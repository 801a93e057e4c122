import type { Location } from "../lib/errors.js";
import { isSettable, type Tristate, type Values } from "./evaluate.js";
import { type Expr, formatExpression } from "./expression.js";
import type { Choice, Condition, Definition, Kconfig, KconfigSymbol } from "./model.js";

/** One line of an explanation. A line with a greater `depth` explains the line above it. */
export interface Reason {
  readonly depth: number;
  readonly text: string;
  readonly at: Location | undefined;
}

export interface Explanation {
  readonly reasons: readonly Reason[];
  /** Configuration lines that the user can add: the settable symbols at the end of each chain. */
  readonly fixes: readonly string[];
}

/** Long enough for the chains of Buildroot's toolchain options. */
const MAX_CHAIN = 6;
const MAX_REASONS = 24;
const SHOWN_SELECTORS = 3;

/** The failing terms of the definition that fails in the fewest terms, each with its line. */
export function unmetTerms(symbol: KconfigSymbol, values: Values, need: Tristate): readonly Condition[] {
  const candidates = symbol.definitions.filter(({ prompt }) => prompt !== undefined).map((one) => failingOf(one, values, need));
  return candidates.reduce((best, one) => (one.length < best.length ? one : best), candidates[0] ?? []);
}

function failingOf(definition: Definition, values: Values, need: Tristate): readonly Condition[] {
  return values.failing([...definition.conditions, ...(definition.prompt?.visible ?? [])], need);
}

/** Explains why terms fail. Each chain ends at a symbol that a configuration can set. */
export function explainTerms(terms: readonly Condition[], kconfig: Kconfig, values: Values, need: Tristate): Explanation {
  const explainer = new Explainer(kconfig, values, need);
  for (const term of terms) explainer.term(term, 0);
  return explainer.result();
}

class Explainer {
  readonly #kconfig: Kconfig;
  readonly #values: Values;
  readonly #need: Tristate;
  readonly #reasons: Reason[] = [];
  readonly #fixes = new Set<string>();
  readonly #seen = new Set<string>();

  constructor(kconfig: Kconfig, values: Values, need: Tristate) {
    this.#kconfig = kconfig;
    this.#values = values;
    this.#need = need;
  }

  result(): Explanation {
    return { reasons: this.#reasons, fixes: [...this.#fixes] };
  }

  term({ expr, at }: Condition, depth: number): void {
    this.#add(depth, `needs ${this.#values.format(expr)}`, at);
    if (expr.kind === "symbol") this.#explainOff(expr.name, depth + 1);
    if (expr.kind === "or") this.#alternatives(expr.terms, depth + 1);
    if (expr.kind === "not" && expr.term.kind === "symbol") this.#explainOn(expr.term.name, depth + 1);
  }

  #add(depth: number, text: string, at: Location | undefined): void {
    if (this.#reasons.length < MAX_REASONS) this.#reasons.push({ depth, text, at });
  }

  /** Explains why a symbol's value is lower than needed. */
  #explainOff(name: string, depth: number): void {
    if (this.#seen.has(name) || depth > MAX_CHAIN) return;
    this.#seen.add(name);
    const symbol = this.#kconfig.symbols.get(name);
    if (symbol === undefined) this.#add(depth, `no Kconfig file of this tree defines ${name}`, undefined);
    else if (isSettable(symbol)) this.#explainNotSet(symbol, depth);
    else this.#explainNotSelected(symbol, depth);
  }

  #explainNotSet(symbol: KconfigSymbol, depth: number): void {
    const terms = unmetTerms(symbol, this.#values, this.#need);
    for (const term of terms) this.term(term, depth);
    if (terms.length === 0) this.#fixes.add(`${this.#kconfig.prefix}${symbol.name}=y`);
  }

  /** Explains a symbol without a prompt. Its value comes from defaults and selects; the explanation follows the nearest of them. */
  #explainNotSelected(symbol: KconfigSymbol, depth: number): void {
    const defaults = symbol.definitions.flatMap(({ defaults, conditions }) =>
      defaults
        .filter(({ value }) => !(value.kind === "constant" && value.value === "n"))
        .map(({ value, when, at }) => [...conditions, { expr: value, at }, ...(when === undefined ? [] : [{ expr: when, at }])]),
    );
    const sources = [
      ...symbol.selectedBy.map(({ by, when, at }) => [
        { expr: { kind: "symbol", name: by } as Expr, at },
        ...(when === undefined ? [] : [{ expr: when, at }]),
      ]),
      ...defaults,
    ];
    if (sources.length === 0) this.#add(depth, `${symbol.name} has no prompt, and no default or select sets it`, symbol.definitions[0]?.at);
    const names = symbol.selectedBy.map(({ by }) => by);
    if (names.length > 0) {
      const more = names.length > SHOWN_SELECTORS ? ` and ${names.length - SHOWN_SELECTORS} more` : "";
      const shown = this.#nearestFirst(names).slice(0, SHOWN_SELECTORS);
      const text = `${symbol.name} has no prompt; selected by ${shown.map((by) => `${by} (${this.#values.shown(by)})`).join(", ")}${more}`;
      this.#add(depth, text, symbol.definitions[0]?.at);
    }
    const failing = sources.map((source) => this.#values.failing(source, this.#need)).filter((terms) => terms.length > 0);
    const nearest = failing.reduce((least, one) => (this.#cost(one) < this.#cost(least) ? one : least), failing[0] ?? []);
    for (const { expr, at } of nearest) {
      if (expr.kind === "symbol" && names.includes(expr.name)) this.#explainOff(expr.name, depth + 1);
      else this.term({ expr, at }, names.length > 0 ? depth + 1 : depth);
    }
  }

  /** An estimate of the lines that the user must add until the terms hold. */
  #cost(terms: readonly Condition[]): number {
    return terms.reduce((sum, { expr }) => sum + (expr.kind === "symbol" ? this.#distance(expr.name) : 5), 0);
  }

  #distance(name: string): number {
    const symbol = this.#kconfig.symbols.get(name);
    if (symbol === undefined) return 100;
    return isSettable(symbol) ? 1 + 3 * unmetTerms(symbol, this.#values, this.#need).length : 10;
  }

  #nearestFirst(names: readonly string[]): readonly string[] {
    return [...new Set(names)]
      .map((name) => ({ name, distance: this.#distance(name) }))
      .sort((a, b) => a.distance - b.distance)
      .map(({ name }) => name);
  }

  /** Explains `A || B` by its nearest alternative. */
  #alternatives(terms: readonly Expr[], depth: number): void {
    const names = terms.flatMap((term) => (term.kind === "symbol" ? [term.name] : []));
    const [first] = this.#nearestFirst(names);
    if (first !== undefined) this.#explainOff(first, depth);
  }

  /** Explains why a symbol is on that must be off: its selectors, and the choices that have the symbol or a selector as their value. */
  #explainOn(name: string, depth: number): void {
    const symbol = this.#kconfig.symbols.get(name);
    const by = activeSelectors(symbol, this.#values);
    if (by.length > 0) this.#add(depth, `${name} is selected by ${by.join(", ")}`, undefined);
    const choices = [name, ...by].flatMap((one) => this.#choiceOf(one) ?? []);
    for (const { selected, choice } of choices) {
      this.#add(depth, `the choice '${choice.prompt?.text ?? "without a name"}' is set to ${selected}`, choice.at);
      const other = choice.defaults.flatMap(({ value }) => (value.kind === "symbol" && value.name !== selected ? [value.name] : []))[0];
      if (other !== undefined) this.#explainOff(other, depth + 1);
    }
    if (by.length === 0 && choices.length === 0) this.#fixes.add(`# ${this.#kconfig.prefix}${name} is not set`);
  }

  #choiceOf(name: string): { readonly selected: string; readonly choice: Choice } | undefined {
    const choice = this.#kconfig.symbols.get(name)?.definitions.find((one) => one.choice !== undefined)?.choice;
    return choice === undefined ? undefined : { selected: name, choice };
  }
}

/** The symbols that select this one in the resolved configuration. */
export function activeSelectors(symbol: KconfigSymbol | undefined, values: Values): readonly string[] {
  const active = (symbol?.selectedBy ?? []).filter(
    ({ by, when }) => values.tristate(by) > 0 && (when === undefined || values.evaluate(when) > 0),
  );
  return [...new Set(active.map(({ by }) => by))];
}

/** The sources of the value of a symbol without a prompt: its selectors, and its defaults with their conditions. */
export function settersOf(symbol: KconfigSymbol, values: Values): readonly Reason[] {
  const selectors = symbol.selectedBy.map(({ by, when, at }) => ({
    depth: 0,
    text: `selected by ${by} (${values.shown(by)})${when === undefined ? "" : ` if ${values.format(when)}`}`,
    at,
  }));
  const defaults = symbol.definitions.flatMap(({ defaults }) =>
    defaults.map(({ value, when, at }) => ({
      depth: 0,
      text: `default ${formatExpression(value)}${when === undefined ? "" : ` if ${values.format(when)}`}`,
      at,
    })),
  );
  const all = [...selectors, ...defaults];
  const more = all.length - MAX_CHAIN;
  return more > 0 ? [...all.slice(0, MAX_CHAIN), { depth: 0, text: `and ${more} more`, at: undefined }] : all;
}
