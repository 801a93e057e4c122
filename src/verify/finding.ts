/** One claim about an output directory and whether it holds. */
export interface Finding {
  readonly what: string;
  readonly ok: boolean;
  readonly expected?: string;
  readonly found?: string;
}
