import { stringify } from "yaml";
import { formatLocation } from "../lib/errors.js";
import { print, printJson } from "../lib/terminal.js";
import type { Profile } from "../model/generated.js";
import { resolve } from "../resolve/resolve.js";

/** The resolved profile. Its YAML is a profile again: it can be built, with everything said and nothing inherited. */
export async function show(reference: string, options: { json?: boolean; origin?: boolean; set?: string[] }): Promise<void> {
  const resolved = await resolve(reference, options);
  const profile = headFirst(resolved.profile);
  if (options.json) {
    const origins = Object.fromEntries(
      [...resolved.origins].filter(([pointer]) => pointer !== "").map(([pointer, at]) => [pointer, formatLocation(at)]),
    );
    const defaults = Object.fromEntries([...resolved.defaults].map(([pointer, by]) => [pointer, `default of ${by}`]));
    printJson(options.origin ? { profile, origins: { ...origins, ...defaults } } : profile);
    return;
  }
  if (options.origin) {
    const lines: string[] = [];
    const defaultOf = (pointer: string): string => {
      const by = resolved.defaults.get(pointer);
      return by === undefined ? "default" : `default of ${by}`;
    };
    flatten(profile, "", (pointer, value) => {
      const at = resolved.origins.get(pointer);
      lines.push(
        `${pointer.slice(1).replaceAll("/", ".")}: ${JSON.stringify(value)}  # ${at === undefined ? defaultOf(pointer) : formatLocation(at)}`,
      );
    });
    print(lines.join("\n"));
    return;
  }
  const { extends: _, ...whole } = profile;
  print(stringify(whole));
}

/** Keys come in the order in which parents and child brought them: what says which image it is would stand anywhere. */
function headFirst({ apiVersion, kind, name, description, platform, ...rest }: Profile): Profile {
  return {
    apiVersion,
    kind,
    name,
    description,
    ...(platform && { platform }),
    ...rest,
  };
}

function flatten(value: unknown, pointer: string, visit: (pointer: string, value: unknown) => void): void {
  const entries = typeof value === "object" && value !== null ? Object.entries(value) : [];
  if (entries.length === 0) visit(pointer, value);
  for (const [key, part] of entries) flatten(part, `${pointer}/${key.replaceAll("~", "~0").replaceAll("/", "~1")}`, visit);
}
