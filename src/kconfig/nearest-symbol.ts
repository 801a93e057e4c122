import { distance } from "fastest-levenshtein";
import { isSettable } from "./evaluate.js";
import type { Kconfig } from "./model.js";

const COMMON_START = /^(?:BR2_PACKAGE_HOST_|BR2_PACKAGE_|BR2_|CONFIG_)/;

/**
 * The settable symbol that an unknown name most likely means: the least edit distance, counted without the
 * start that all names share, or a name that has the same words at its end (GPGME and LIBGPGME).
 * Both names with the .config's prefix.
 */
export function nearestSymbol(name: string, kconfig: Kconfig): string | undefined {
  if (name.length > 200) return undefined;
  const asked = name.toUpperCase().replace(COMMON_START, "");
  const limit = Math.max(1, Math.floor(asked.length / 4));
  let best: { readonly name: string; readonly score: number } | undefined;
  for (const symbol of kconfig.symbols.values()) {
    if (!isSettable(symbol)) continue;
    const full = kconfig.prefix + symbol.name;
    const known = full.toUpperCase().replace(COMMON_START, "");
    const score = scoreOf(asked, known, limit);
    if (score !== undefined && (best === undefined || score < best.score)) best = { name: full, score };
  }
  return best?.name;
}

function scoreOf(asked: string, known: string, limit: number): number | undefined {
  if (Math.abs(asked.length - known.length) <= limit) {
    const edits = distance(asked, known);
    if (edits <= limit) return edits;
  }
  const isTail = asked.length >= 4 && (known === `LIB${asked}` || asked === `LIB${known}` || known.endsWith(`_${asked}`));
  return isTail ? limit + Math.abs(known.length - asked.length) : undefined;
}
