import type { Launch } from "./generated.js";

type Share = Launch["shares"][number];

/** The variable that stands for a share's directory: `env_share` → `ENV_PATH`, as in the Cocos documentation. */
export function shareVariable(tag: string): string {
  const stem = tag
    .replace(/_share$/, "")
    .replaceAll("-", "_")
    .toUpperCase();
  return `${/^[A-Z_]/.test(stem) ? "" : "SHARE_"}${stem}_PATH`;
}

/** The word that stands in `argv` for a share whose directory is chosen at launch. */
export function placeholder(share: Pick<Share, "tag">): string {
  return `\${${shareVariable(share.tag)}}`;
}
