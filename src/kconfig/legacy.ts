import { symbolsIn } from "./expression.js";
import type { Diagnosis, GateContext } from "./finding.js";
import type { Kconfig, KconfigSymbol } from "./model.js";

/** The symbol that every legacy symbol selects; it stops a Buildroot build (Config.in.legacy). */
const LEGACY = "BR2_LEGACY";

/**
 * A legacy symbol of Buildroot: `make defconfig` accepts it, only `make` stops. The replacements are the symbols that it selects, that its
 * help text names, or that have it in a default.
 */
export function legacyFinding({ request, symbol, kconfig }: GateContext): Diagnosis | undefined {
  if (!isLegacy(symbol) || request.value === "n" || request.value === '""') return undefined;
  const definition = symbol.definitions[0];
  const replacements = replacementsOf(symbol, kconfig);
  const help = symbol.definitions.map((one) => one.help).find((text) => text !== "");
  return {
    kind: "legacy",
    message: `${request.symbol} no longer exists: ${definition?.prompt?.text ?? "legacy option"}`,
    because: help === undefined ? [] : [{ depth: 0, text: help.replace(/\s+/g, " "), at: definition?.at }],
    remedy: replacements.length > 0 ? `use ${replacements.join(", ")} instead` : "remove the line: the symbol has no replacement",
  };
}

function isLegacy(symbol: KconfigSymbol): boolean {
  return symbol.definitions.some(({ at, prompt }) => prompt !== undefined && at.file.endsWith("Config.in.legacy"));
}

function replacementsOf(symbol: KconfigSymbol, kconfig: Kconfig): readonly string[] {
  const selected = symbol.selects;
  const named = symbol.definitions.flatMap(({ help }) => help.match(/BR2_[A-Z0-9a-z_]+/g) ?? []);
  const inheriting = [...kconfig.symbols.values()].filter((other) => takesValueFrom(other, symbol.name)).map(({ name }) => name);
  const choices = [...kconfig.symbols.values()].flatMap(({ definitions }) =>
    definitions.flatMap(({ choice }) =>
      (choice?.defaults ?? []).flatMap(({ value, when }) =>
        value.kind === "symbol" && when !== undefined && symbolsIn(when).includes(symbol.name) ? [value.name] : [],
      ),
    ),
  );
  const found = [...selected, ...inheriting, ...choices, ...named].filter((name) => {
    const other = kconfig.symbols.get(name);
    return other !== undefined && name !== symbol.name && name !== LEGACY && !isLegacyFile(other);
  });
  return [...new Set(found)];
}

/** Whether a default of a symbol is the old symbol or depends on it. */
function takesValueFrom(symbol: KconfigSymbol, old: string): boolean {
  return symbol.definitions.some(({ defaults }) =>
    defaults.some(({ value, when }) => symbolsIn(value).includes(old) || (when !== undefined && symbolsIn(when).includes(old))),
  );
}

function isLegacyFile(symbol: KconfigSymbol): boolean {
  return symbol.definitions.every(({ at }) => at.file.endsWith("Config.in.legacy"));
}
