import type { Location } from "../lib/errors.js";
import type { Expr } from "./expression.js";
import type { Choice, Condition, Default, Definition, KconfigSymbol, Range, Selection, SymbolType } from "./model.js";

/** A `config`, `choice` or `menu` while the reader collects the attribute lines below it. */
export interface Entry {
  readonly kind: "config" | "choice" | "menu" | "comment";
  readonly at: Location;
  readonly name: string | undefined;
  type: SymbolType | undefined;
  prompt: { readonly text: string; readonly when: Expr | undefined; readonly at: Location } | undefined;
  readonly depends: Condition[];
  /** The `visible if` conditions of a menu. */
  readonly visible: Condition[];
  readonly defaults: Default[];
  readonly ranges: Range[];
  readonly selects: { readonly name: string; readonly when: Expr | undefined; readonly at: Location; readonly weak: boolean }[];
  environment: string | undefined;
  optional: boolean;
  help: string;
}

export function newEntry(kind: Entry["kind"], name: string | undefined, at: Location): Entry {
  return {
    kind,
    at,
    name,
    type: undefined,
    prompt: undefined,
    depends: [],
    visible: [],
    defaults: [],
    ranges: [],
    selects: [],
    environment: undefined,
    optional: false,
    help: "",
  };
}

/** An `if`, `menu` or `choice` block that is still open. An `if` has conditions only. */
export interface Frame {
  readonly keyword: "if" | "menu" | "choice";
  readonly at: Location;
  readonly file: string;
  readonly conditions: readonly Condition[];
  readonly visible: readonly Condition[];
  /** The members of a choice; the reader adds each one. */
  readonly members: string[];
  readonly choice: Choice | undefined;
}

interface Collected {
  type: SymbolType | undefined;
  environment: string | undefined;
  readonly definitions: Definition[];
  readonly selects: string[];
}

/** Collects the definitions of every symbol, and for each symbol the selects that name it. */
export class Collector {
  readonly #symbols = new Map<string, Collected>();
  readonly #selections: (Selection & { readonly target: string; readonly weak: boolean })[] = [];

  /** The value of `$NAME` in a `source`: from the environment, else the first default of the symbol. */
  textOf(name: string): string | undefined {
    const symbol = this.#symbols.get(name);
    const value = symbol?.definitions[0]?.defaults[0]?.value;
    return symbol?.environment ?? (value?.kind === "constant" ? value.value : undefined);
  }

  config(entry: Entry, frames: readonly Frame[]): void {
    const name = entry.name ?? "";
    const symbol = this.#symbols.get(name) ?? { type: undefined, environment: undefined, definitions: [], selects: [] };
    this.#symbols.set(name, symbol);
    symbol.type ??= entry.type;
    symbol.environment ??= entry.environment;
    const choiceFrame = frames.findLast((frame) => frame.keyword === "choice");
    choiceFrame?.members.push(name);
    symbol.definitions.push({
      at: entry.at,
      prompt: promptOf(entry, frames),
      conditions: [...frames.flatMap((frame) => frame.conditions), ...entry.depends],
      defaults: entry.defaults,
      ranges: entry.ranges,
      choice: choiceFrame?.choice,
      help: entry.help,
    });
    for (const { name: target, when, at, weak } of entry.selects) {
      this.#selections.push({ by: name, when, at, target, weak });
      if (!weak) symbol.selects.push(target);
    }
  }

  symbols(): ReadonlyMap<string, KconfigSymbol> {
    const selected = byTarget(this.#selections.filter(({ weak }) => !weak));
    const implied = byTarget(this.#selections.filter(({ weak }) => weak));
    const all = new Map<string, KconfigSymbol>();
    for (const [name, symbol] of this.#symbols) {
      all.set(name, { name, ...symbol, selectedBy: selected.get(name) ?? [], impliedBy: implied.get(name) ?? [] });
    }
    return all;
  }
}

function byTarget(selections: readonly (Selection & { readonly target: string })[]): ReadonlyMap<string, readonly Selection[]> {
  const grouped = new Map<string, Selection[]>();
  for (const { by, when, at, target } of selections) {
    const list = grouped.get(target);
    if (list === undefined) grouped.set(target, [{ by, when, at }]);
    else list.push({ by, when, at });
  }
  return grouped;
}

/** The prompt with all conditions that can hide it; undefined for an entry without a prompt. */
export function promptOf(entry: Entry, frames: readonly Frame[]): Definition["prompt"] {
  if (entry.prompt === undefined) return undefined;
  const { text, when, at } = entry.prompt;
  const own = when === undefined ? [] : [{ expr: when, at }];
  return { text, at, visible: [...frames.flatMap((frame) => frame.visible), ...own] };
}

/** The frame of a `menu` or `choice` entry. All members of a choice share its Choice object. */
export function openFrame(entry: Entry, file: string, frames: readonly Frame[]): Frame {
  const members: string[] = [];
  const isChoice = entry.kind === "choice";
  const choice: Choice = {
    at: entry.at,
    prompt: promptOf(entry, frames),
    conditions: [...frames.flatMap((frame) => frame.conditions), ...entry.depends],
    defaults: entry.defaults,
    optional: entry.optional,
    members,
  };
  // If the `if` of a choice's prompt hides the choice, it also hides the members.
  const visible = isChoice && entry.prompt?.when !== undefined ? [{ expr: entry.prompt.when, at: entry.prompt.at }] : entry.visible;
  return {
    keyword: isChoice ? "choice" : "menu",
    at: entry.at,
    file,
    conditions: entry.depends,
    visible,
    members,
    choice: isChoice ? choice : undefined,
  };
}
