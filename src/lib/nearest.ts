import { closest, distance } from "fastest-levenshtein";

/** The known name that is nearest to a misspelt name; undefined when no name is near. */
export function nearest(name: string, known: readonly string[]): string | undefined {
  if (known.length === 0 || name.length > 200) return undefined;
  const guess = closest(name.toLowerCase(), [...known]);
  const limit = Math.ceil(Math.max(name.length, guess.length) * 0.4);
  return distance(name.toLowerCase(), guess.toLowerCase()) <= limit ? guess : undefined;
}
