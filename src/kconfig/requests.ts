import { HalError, type Location } from "../lib/errors.js";
import { kconfigString } from "../lib/escape.js";
import type { SymbolRequest } from "../model/resolved.js";

/**
 * A YAML value as a .config writes it: true and `y` are y, false and `n` are n, numbers and hexadecimal
 * numbers stay bare, any other text is a quoted string.
 * @throws HalError "input" at the value when text cannot be represented
 */
export function kconfigValue(value: string | number | boolean, at: Location): string {
  if (typeof value === "boolean") return value ? "y" : "n";
  if (typeof value === "number") return String(value);
  return /^([ymn]|0x[0-9a-fA-F]+)$/.test(value) ? value : kconfigString(value, at);
}

/**
 * One request for each symbol, in order. The profile has the last word over its features; two features
 * that want different things are an error, because either order would silently break one of them.
 */
export function mergeRequests(requests: readonly SymbolRequest[]): SymbolRequest[] {
  const merged = new Map<string, SymbolRequest>();
  for (const request of requests) {
    const earlier = merged.get(request.symbol);
    if (earlier !== undefined && earlier.value !== request.value && !request.by.startsWith("profile ")) {
      throw new HalError("input", `${request.symbol} is ${request.value} for ${request.by}, and ${earlier.value} for ${earlier.by}`, {
        at: request.at,
        remedy: "say in the profile which of the two holds",
      });
    }
    if (earlier === undefined || earlier.value !== request.value) merged.set(request.symbol, request);
  }
  return [...merged.values()];
}
