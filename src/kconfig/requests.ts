import { HalError, type Location } from "../lib/errors.js";
import { kconfigString } from "../lib/escape.js";
import type { SymbolRequest } from "../model/resolved.js";

/**
 * A YAML value as a .config writes it: true and `y` become y, false and `n` become n; numbers and hexadecimal numbers stay; any other
 * text becomes a quoted string.
 * @throws HalError "input" at the value for text that a .config cannot represent
 */
export function kconfigValue(value: string | number | boolean, at: Location): string {
  if (typeof value === "boolean") return value ? "y" : "n";
  if (typeof value === "number") return String(value);
  return /^([ymn]|0x[0-9a-fA-F]+)$/.test(value) ? value : kconfigString(value, at);
}

/**
 * One request for each symbol, in order. The profile overrides its features. Two features with different values are an error, because
 * either order would break one of them without a message.
 * @throws HalError "input" at the second of two features that disagree
 */
export function mergeRequests(requests: readonly SymbolRequest[]): SymbolRequest[] {
  const merged = new Map<string, SymbolRequest>();
  for (const request of requests) {
    const earlier = merged.get(request.symbol);
    if (earlier !== undefined && earlier.value !== request.value && !request.by.startsWith("profile ")) {
      throw new HalError("input", `${request.by} sets ${request.symbol} to ${request.value}, ${earlier.by} to ${earlier.value}`, {
        at: request.at,
        remedy: "set the symbol in the profile",
      });
    }
    if (earlier === undefined || earlier.value !== request.value) merged.set(request.symbol, request);
  }
  return [...merged.values()];
}
