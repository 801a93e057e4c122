import type { ErrorObject } from "ajv";

/** A value whose schema has `x-hal-path`: a path on the build host. */
export interface HostPath {
  /** JSON pointer of the value. */
  readonly pointer: string;
  /** The map or list that contains the value. */
  readonly parent: Record<string | number, unknown>;
  readonly key: string | number;
}

/**
 * Checks a value, fills in the defaults of its schema and adds every host path to `this.hostPaths`.
 * scripts/compile-validators.ts writes validators.js: one function for each schema that describes a file.
 */
export interface Validator {
  (this: { readonly hostPaths: HostPath[] }, value: unknown): boolean;
  /** The errors of the last call. */
  readonly errors?: readonly ErrorObject[] | null;
}

export const profile: Validator;
export const layout: Validator;
export const feature: Validator;
export const launch: Validator;
export const manifest: Validator;
export const measurements: Validator;
