/** One claim of an output directory, and whether it is true. */
export interface Finding {
  readonly what: string;
  readonly ok: boolean;
  readonly expected?: string;
  readonly found?: string;
}
