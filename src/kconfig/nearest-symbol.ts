import { distance } from "fastest-levenshtein";
import { isSettable } from "./evaluate.js";
import type { Kconfig } from "./model.js";

const COMMON_START = /^(?:BR2_PACKAGE_HOST_|BR2_PACKAGE_|BR2_|CONFIG_)/;

/**
 * The settable symbol that an unknown name most likely means: the one with the smallest edit distance, or one that ends with the same
 * words (GPGME and LIBGPGME). Common starts such as BR2_PACKAGE_ do not count. Both names have the .config's prefix.
 */
export function nearestSymbol(name: string, kconfig: Kconfig): string | undefined {
  if (name.length > 200) return undefined;
  const asked = name.toUpperCase().replace(COMMON_START, "");
  // All short names are near to each other, so they must be equal; a long name may differ in more characters.
  const limit = asked.length < 4 ? 0 : Math.min(4, Math.max(1, Math.floor(asked.length / 5)));
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

/** The score of a name with the same end: between an edit distance of 2 and of 3. */
const SAME_END = 2.5;

function scoreOf(asked: string, known: string, limit: number): number | undefined {
  const [longer, shorter] = asked.length > known.length ? [asked, known] : [known, asked];
  const isEnd = shorter.length >= 4 && (longer === `LIB${shorter}` || longer.endsWith(`_${shorter}`));
  // Of several names with the same end, the shortest wins.
  if (isEnd) return SAME_END + (longer.length - shorter.length) / 1000;
  if (longer.length - shorter.length > limit) return undefined;
  const edits = distance(asked, known);
  return edits <= limit ? edits : undefined;
}
