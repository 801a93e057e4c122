/** One claim of an image directory, and whether it is true. */
export interface Finding {
  readonly what: string;
  readonly ok: boolean;
  readonly expected?: string;
  readonly found?: string;
}

/** The result of a comparison of bytes. */
export const sameBytes = (ok: boolean): Omit<Finding, "what"> => (ok ? { ok } : { ok, expected: "the same bytes", found: "other bytes" });
