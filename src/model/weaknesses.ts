import type { Profile } from "./generated.js";

/** A weakness that a profile can accept by name (`accept`). */
export type Weakness = Profile["accept"][number];

/** Each weakness in words. Every output about an image that has one repeats them. */
export const weaknesses: Readonly<Record<Weakness, string>> = {
  "host-aml": "code of the host's ACPI tables can write to the guest's memory, and no register covers the tables",
};

/** One line for each weakness that an image has and its profile accepts. */
export function acceptedLines(accepted: readonly Weakness[]): readonly string[] {
  return accepted.map((name) => `accepted by the profile: ${name}: ${weaknesses[name]}`);
}
