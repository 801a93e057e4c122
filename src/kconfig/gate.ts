import type { SymbolRequest } from "../model/resolved.js";
import { type DotConfig, formatConfigLine, plainValue } from "./dotconfig.js";
import { isSettable, numberOf, type Tristate, Values } from "./evaluate.js";
import { activeSelectors, explainTerms, settersOf, unmetTerms } from "./explain.js";
import type { Diagnosis, GateContext, GateFinding } from "./finding.js";
import { headersFinding, nearestSeries, withoutOldSeries } from "./headers.js";
import { legacyFinding } from "./legacy.js";
import type { Kconfig, KconfigSymbol } from "./model.js";
import { nearestSymbol } from "./nearest-symbol.js";

export interface GateInput {
  readonly requested: readonly SymbolRequest[];
  readonly config: DotConfig;
  readonly kconfig: Kconfig;
}

type Check = (context: GateContext) => Diagnosis | undefined;

const LEVEL: Readonly<Record<string, Tristate>> = { n: 0, m: 1, y: 2 };

/** The checks that explain a request that is not honoured. The first diagnosis counts, so the most specific check is first. */
const diagnosers: readonly Check[] = [
  overriddenByRequest,
  outOfRange,
  noPrompt,
  selectedAnyway,
  unmetDependency,
  modulesOff,
  choiceOverridden,
];

/**
 * Compares every request with the resolved .config, in order. A request for `n` (`# X is not set`) is also honoured when the .config has
 * no line for the symbol.
 * @returns a finding for each request that is not honoured, after the finding about the kernel headers
 */
export function gate({ requested, config, kconfig }: GateInput): readonly GateFinding[] {
  const values = new Values(kconfig, config);
  const headers = headersFinding(requested, values, kconfig);
  const findings = requested.flatMap((request) => checkRequest(request, { requested, values, kconfig, headers }));
  return headers === undefined ? findings : [headers, ...findings];
}

function checkRequest(request: SymbolRequest, all: Omit<GateContext, "request" | "symbol">): readonly GateFinding[] {
  const { values, kconfig } = all;
  const name = request.symbol.startsWith(kconfig.prefix) ? request.symbol.slice(kconfig.prefix.length) : undefined;
  const symbol = name === undefined ? undefined : kconfig.symbols.get(name);
  const finding = (diagnosis: Diagnosis): readonly GateFinding[] => [
    {
      symbol: request.symbol,
      wanted: formatConfigLine(request),
      actual: name === undefined ? "no such symbol" : values.shown(name),
      at: request.at,
      by: request.by,
      because: [],
      ...diagnosis,
    },
  ];
  if (symbol === undefined) return finding(unknown(request, kconfig));
  const context = { request, symbol, ...all };
  const first = legacyFinding(context) ?? wrongType(context);
  if (first !== undefined) return finding(first);
  if (isHonoured(context)) return [];
  for (const check of diagnosers) {
    const diagnosis = check(context);
    if (diagnosis !== undefined) return finding(diagnosis);
  }
  return finding({
    kind: "not-applied",
    message: `${request.symbol} is ${values.shown(symbol.name)} in the resolved configuration; its Kconfig files do not explain why`,
    remedy: `look at ${where(symbol)} and at the warnings of the configuration run`,
  });
}

function isHonoured({ request, symbol, values }: GateContext): boolean {
  const actual = values.written(symbol.name);
  if (symbol.type === "int" || symbol.type === "hex") {
    return actual !== undefined && hexNumber(symbol, actual) === hexNumber(symbol, request.value);
  }
  if (symbol.type === "string") return plainValue(actual ?? "") === plainValue(request.value);
  return (actual ?? "n") === request.value;
}

function hexNumber(symbol: KconfigSymbol, value: string): number | undefined {
  return numberOf(symbol.type === "hex" && !/^0x/i.test(value) ? `0x${value}` : value);
}

function unknown(request: SymbolRequest, kconfig: Kconfig): Diagnosis {
  const near = nearestSeries(request.symbol, kconfig) ?? nearestSymbol(request.symbol, kconfig);
  const message = `${request.symbol} does not exist in this tree`;
  if (near !== undefined) return { kind: "unknown", message, remedy: `did you mean ${near}? If not, remove the line` };
  return { kind: "unknown", message, remedy: "remove the line, or add the tree or patch that defines the symbol" };
}

/** For each type: the pattern of its values, and the words for a message. */
const TYPES = {
  bool: { valid: /^[yn]$/, is: "is a yes/no symbol", example: "y, or a '# … is not set' line" },
  tristate: { valid: /^[ymn]$/, is: "is a y/m/n symbol", example: "y, m, or a '# … is not set' line" },
  string: { valid: /^"/, is: "is a string", example: "a text in double quotes" },
  int: { valid: /^-?\d+$/, is: "is a number", example: "a decimal number without quotes" },
  hex: { valid: /^(?:0[xX])?[0-9a-fA-F]+$/, is: "is a hexadecimal number", example: "0x… without quotes" },
} as const;

function wrongType({ request, symbol }: GateContext): Diagnosis | undefined {
  const expected = symbol.type === undefined ? undefined : TYPES[symbol.type];
  const unsets = request.value === "n" && symbol.type !== "string";
  if (expected === undefined || unsets || expected.valid.test(request.value)) return undefined;
  return {
    kind: "wrong-value",
    message: `${request.symbol} ${expected.is}; ${request.value} is not a valid value`,
    remedy: `write ${expected.example}`,
  };
}

function overriddenByRequest({ request, requested, values, symbol }: GateContext): Diagnosis | undefined {
  const later = requested.slice(requested.indexOf(request) + 1).findLast((other) => other.symbol === request.symbol);
  if (later === undefined || later.value === request.value) return undefined;
  const line = later.at.line === undefined ? later.at.file : `${later.at.file}:${later.at.line}`;
  return {
    kind: "wrong-value",
    message: `${request.symbol} is ${values.shown(symbol.name)}: a later line sets it to ${later.value} (${line}, ${later.by})`,
    remedy: "keep one of the two lines",
  };
}

function outOfRange({ request, symbol, values }: GateContext): Diagnosis | undefined {
  const wanted = hexNumber(symbol, request.value);
  if ((symbol.type !== "int" && symbol.type !== "hex") || wanted === undefined) return undefined;
  for (const { low, high, when } of symbol.definitions.flatMap(({ ranges }) => ranges)) {
    if (when !== undefined && values.evaluate(when) === 0) continue;
    const [from, to] = [values.text(low), values.text(high)];
    const [least, most] = [hexNumber(symbol, from), hexNumber(symbol, to)];
    if (least === undefined || most === undefined || (wanted >= least && wanted <= most)) return undefined;
    return {
      kind: "wrong-value",
      message: `${request.symbol} must be from ${from} to ${to}; ${request.value} was ignored, the value is ${values.shown(symbol.name)}`,
      remedy: `choose a value from ${from} to ${to}`,
    };
  }
  return undefined;
}

function noPrompt({ request, symbol, values }: GateContext): Diagnosis | undefined {
  if (isSettable(symbol)) return undefined;
  const because = settersOf(symbol, values);
  const selectors = [...new Set(symbol.selectedBy.map(({ by }) => by))];
  return {
    kind: "no-prompt",
    message: `${request.symbol} has no prompt, so a configuration cannot set it; it is ${values.shown(symbol.name)}`,
    because,
    remedy: selectors.length > 0 ? "set one of the symbols that select it" : "remove the line: Kconfig computes the value",
  };
}

function selectedAnyway({ request, symbol, values, kconfig }: GateContext): Diagnosis | undefined {
  const wanted = LEVEL[request.value];
  if (wanted === undefined || values.tristate(symbol.name) <= wanted) return undefined;
  const by = activeSelectors(symbol, values).map((name) => kconfig.prefix + name);
  if (by.length === 0) return undefined;
  return {
    kind: "wrong-value",
    message: `${request.symbol} is ${values.shown(symbol.name)}, because ${by.join(", ")} select${by.length === 1 ? "s" : ""} it`,
    remedy: `remove the line, or turn off ${by.join(" and ")}`,
  };
}

function unmetDependency({ request, symbol, values, kconfig, headers }: GateContext): Diagnosis | undefined {
  const need = LEVEL[request.value] === 1 ? 1 : 2;
  const terms = unmetTerms(symbol, values, need);
  if (terms.length === 0) return undefined;
  const { reasons, fixes: found } = explainTerms(terms, kconfig, values, need);
  const fixes = withoutOldSeries(found, headers);
  const unmet = terms.map(({ expr }) => values.format(expr)).join(" and ");
  return {
    kind: "unmet-dependency",
    message: `${request.symbol} is ${values.shown(symbol.name)}: it depends on ${unmet}`,
    because: reasons,
    remedy: fixes.length > 0 ? `add ${fixes.join(", ")}` : "remove the line, or satisfy its dependencies",
  };
}

function modulesOff({ request, symbol, values, kconfig }: GateContext): Diagnosis | undefined {
  if (request.value !== "m" || symbol.type !== "tristate" || values.tristate("MODULES") > 0) return undefined;
  return {
    kind: "unmet-dependency",
    message: `${request.symbol} cannot be m: ${kconfig.prefix}MODULES is ${values.shown("MODULES")}`,
    remedy: `write ${request.symbol}=y`,
  };
}

function choiceOverridden({ request, symbol, values, kconfig, requested }: GateContext): Diagnosis | undefined {
  const choice = symbol.definitions.find((definition) => definition.choice !== undefined)?.choice;
  if (choice === undefined) return undefined;
  const selected = choice.members.find((member) => values.tristate(member) > 0);
  const full = selected === undefined ? "no member" : kconfig.prefix + selected;
  const other = requested.findLast(({ symbol: name, value }) => name === full && value === "y");
  const reason = other === undefined ? "its default" : `requested by ${other.by} (${other.at.file}:${other.at.line ?? 1})`;
  return {
    kind: "choice-overridden",
    message: `the choice '${choice.prompt?.text ?? "without a name"}' is set to ${full} (${reason}), which overrides ${formatConfigLine(request)}`,
    because: [{ depth: 0, text: `only one of the ${choice.members.length} members can be y`, at: choice.at }],
    remedy: request.value === "n" ? "set another member of the choice" : `keep only one of ${request.symbol} and ${full}`,
  };
}

function where(symbol: KconfigSymbol): string {
  const at = symbol.definitions[0]?.at;
  return at === undefined ? "its definition" : `${at.file}:${at.line ?? 1}`;
}
