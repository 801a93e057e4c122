import { stringify } from "yaml";
import { formatLocation } from "../lib/errors.js";
import { print, printJson } from "../lib/terminal.js";
import { pointerToken } from "../load/tree.js";
import type { Profile } from "../model/generated.js";
import { resolve } from "../resolve/resolve.js";

/** Prints the resolved profile. Its YAML is a complete profile without parents that can be built. */
export async function show(
  reference: string,
  options: { json?: boolean; origin?: boolean; set?: string[]; allowOutside?: boolean },
): Promise<void> {
  const resolved = await resolve(reference, { ...options, overlayContents: false });
  const profile = identityFirst(resolved.profile);
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

/** Puts the keys that identify the image first. Without this, the keys have the order of parents and child. */
function identityFirst({ apiVersion, kind, name, description, platform, ...rest }: Profile): Profile {
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
  for (const [key, part] of entries) flatten(part, `${pointer}/${pointerToken(key)}`, visit);
}
