import type { Launch } from "./generated.js";

type Share = Launch["shares"][number];

/** The names of the Cocos documentation. */
const cocosVariables: ReadonlyMap<string, string> = new Map([
  ["env_share", "ENV_PATH"],
  ["certs_share", "CERTS_PATH"],
]);

/**
 * Returns the variable for the path of a share: `data` → `SHARE_DATA_PATH`. A tag cannot name a variable that a caller's environment may
 * have, such as LD_LIBRARY_PATH.
 */
export function shareVariable(tag: string): string {
  return cocosVariables.get(tag) ?? `SHARE_${tag.replaceAll("-", "_").toUpperCase()}_PATH`;
}

/** Returns the placeholder in `argv` for the path of a share that the user chooses at launch. */
export function placeholder(share: Pick<Share, "tag">): string {
  return `\${${shareVariable(share.tag)}}`;
}

/** Returns the path that the user gives for a share, by tag. A tag such as `constructor` is also a property of every object. */
export function sharePath(paths: Readonly<Record<string, string>> | undefined, tag: string): string | undefined {
  return paths !== undefined && Object.hasOwn(paths, tag) ? paths[tag] : undefined;
}

/** Returns what the user gives as the path of a share. */
export function pathKind({ type }: Pick<Share, "type">): "directory" | "virtiofsd socket" {
  return type === "9p" ? "directory" : "virtiofsd socket";
}
