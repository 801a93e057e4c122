import { HalError } from "../../lib/errors.js";
import type { AccountFiles } from "./accounts.js";

/** One line for apply-permissions.sh. */
export interface Permission {
  /** f: a file, d: a directory that is made where it is absent, r: everything below a directory. */
  readonly type: "f" | "d" | "r";
  /** Octal, or -1 to leave the mode. */
  readonly mode: string;
  /** `user:group`, by name or id. */
  readonly owner: string;
  /** Absolute, in the image. */
  readonly path: string;
}

/**
 * Reads a Buildroot permission table (Buildroot manual, "Makedev syntax documentation"). Supports the types f, d and r (recursive),
 * but no device nodes: the kernel creates those in /dev.
 * @param file its path, for errors
 * @throws HalError "input" at a line with invalid or unsupported fields
 */
export function parsePermissions(table: string, file: string): readonly Permission[] {
  const permissions: Permission[] = [];
  for (const [index, line] of table.split("\n").entries()) {
    if (line.trim() === "" || line.trimStart().startsWith("#")) continue;
    const [path = "", type = "", mode = "", uid = "", gid = ""] = line.trim().split(/\s+/);
    const known = /^\/[^\0]*$/.test(path) && !path.split("/").includes("..") && isType(type) && /^([0-7]{3,5}|-1)$/.test(mode);
    if (!known || !/^[a-z0-9_-]+$/i.test(uid) || !/^[a-z0-9_-]+$/i.test(gid)) {
      throw new HalError("input", "the debian backend supports only lines PATH f|d|r MODE UID GID … in a permission table", {
        at: { file, line: index + 1 },
      });
    }
    permissions.push({ type, mode, owner: `${uid}:${gid}`, path });
  }
  return permissions;
}

function isType(type: string): type is Permission["type"] {
  return /^[fdr]$/.test(type);
}

/**
 * The table that apply-permissions.sh reads. Owners become numbers here: chown(1) would look up names on the build host.
 * @throws HalError "input" for a user or a group that the image does not have
 */
export function permissionLines(permissions: readonly Permission[], accounts: Pick<AccountFiles, "passwd" | "group">): string {
  return permissions.map(({ type, mode, owner, path }) => `${type} ${mode} ${ownerIds(owner, accounts)} ${path}\n`).join("");
}

/** `uid:gid`. As in chown(1), an owner without a group has the user's own group. */
function ownerIds(owner: string, { passwd, group }: Pick<AccountFiles, "passwd" | "group">): string {
  const field = (table: string, what: string, name: string, index: number): string => {
    const row = table.split("\n").find((line) => line.startsWith(`${name}:`));
    if (row === undefined)
      throw new HalError("input", `the image has no ${what} '${name}'`, { remedy: "add it to users, or write its id" });
    return row.split(":")[index] ?? "";
  };
  const id = (table: string, what: string, name: string): string => (/^\d+$/.test(name) ? name : field(table, what, name, 2));
  const [user = "", groupName = ""] = owner.split(":");
  return `${id(passwd, "user", user)}:${groupName === "" ? field(passwd, "user", user, 3) : id(group, "group", groupName)}`;
}
