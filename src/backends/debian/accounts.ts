import { HalError, type Location } from "../../lib/errors.js";

/** A line of a Buildroot users table (Buildroot manual, "Makeuser syntax documentation"). */
export interface Account {
  readonly name: string;
  /** -1: the next free system id; -2: the next free user id. */
  readonly uid: number;
  readonly group: string;
  /** -1 and -2 as in `uid`. */
  readonly gid: number;
  /** A hash of crypt(5); `-` locks the password. */
  readonly password: string;
  readonly home: string;
  readonly shell: string;
  readonly groups: readonly string[];
  readonly comment: string;
  readonly at: Location;
}

/** The contents of the four account files in /etc. */
export interface AccountFiles {
  readonly passwd: string;
  readonly group: string;
  readonly shadow: string;
  readonly gshadow: string;
}

/**
 * Parses a users table.
 * @param file its path, for errors
 * @throws HalError "input" at a line with invalid fields or a plain-text password
 */
export function parseUsersTable(text: string, file: string): readonly Account[] {
  const accounts: Account[] = [];
  for (const [index, line] of text.split("\n").entries()) {
    if (line.trim() === "" || line.trimStart().startsWith("#")) continue;
    const at = { file, line: index + 1 };
    const [name = "", uid = "", group = "", gid = "", password = "", home = "", shell = "", groups, ...comment] = line.trim().split(/\s+/);
    if (groups === undefined || !/^-?\d+$/.test(uid) || !/^-?\d+$/.test(gid)) {
      throw new HalError("input", "not a line of a users table: NAME UID GROUP GID PASSWORD HOME SHELL GROUPS COMMENT", { at });
    }
    if (password.startsWith("=") || password.startsWith("!=")) {
      throw new HalError("input", `the password of '${name}' is plain text; its hash would differ in every build`, {
        at,
        remedy: "write its hash, for example from mkpasswd",
      });
    }
    const list = groups === "-" ? [] : groups.split(",");
    accounts.push({
      name,
      uid: Number(uid),
      group: group === "-" ? name : group,
      gid: Number(gid),
      password,
      home,
      shell,
      groups: list,
      comment: comment.join(" "),
      at,
    });
  }
  return accounts;
}

/** The first and last id of the ranges for -1 and -2 (Buildroot support/scripts/mkusers). */
const AUTOMATIC: Readonly<Record<number, readonly [number, number]>> = { [-1]: [100, 999], [-2]: [1000, 1999] };

type Row = string[];

function rows(text: string): Row[] {
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => line.split(":"));
}

function text(table: readonly Row[]): string {
  return table.map((row) => `${row.join(":")}\n`).join("");
}

/** The requested id; for -1 and -2 the first free one in the table. */
function number(wanted: number, table: readonly Row[], at: Location): number {
  const range = AUTOMATIC[wanted];
  if (range === undefined) return wanted;
  const taken = new Set(table.map((row) => Number(row[2])));
  for (let id = range[0]; id <= range[1]; id++) if (!taken.has(id)) return id;
  throw new HalError("input", "no free user or group id is left", { at });
}

/**
 * Adds accounts to the account files, and replaces an account with the same name. The date of the last password change stays empty, because
 * it would differ in every build.
 * @throws HalError "input" for an id that Debian uses for another account, and for an account or group that has another id in Debian
 */
export function addAccounts(accounts: readonly Account[], files: AccountFiles): AccountFiles {
  const passwd = rows(files.passwd);
  const group = rows(files.group);
  const shadow = rows(files.shadow);
  const gshadow = rows(files.gshadow);

  const groupOf = (name: string, gid: number, at: Location): Row => {
    const found = group.find((row) => row[0] === name);
    if (found !== undefined) {
      if (gid >= 0 && Number(found[2]) !== gid)
        throw new HalError("input", `the group '${name}' has the id ${found[2]} in Debian, not ${gid}`, { at });
      return found;
    }
    const row = [name, "x", String(number(gid, group, at)), ""];
    group.push(row);
    gshadow.push([name, "!", "", ""]);
    return row;
  };
  const join = (name: string, user: string, at: Location): void => {
    groupOf(name, -1, at);
    for (const row of [group.find((found) => found[0] === name), gshadow.find((found) => found[0] === name)]) {
      const members = (row?.[3] ?? "").split(",").filter((member) => member !== "");
      if (row !== undefined && !members.includes(user)) row[3] = [...members, user].join(",");
    }
  };

  for (const account of accounts) {
    const { name, at } = account;
    const gid = groupOf(account.group, account.gid, at)[2] ?? "";
    const home = account.home === "-" ? "/" : account.home;
    const shell = account.shell === "-" ? "/bin/false" : account.shell;
    const password = account.password === "-" ? "*" : account.password;
    const present = passwd.find((row) => row[0] === name);
    if (present !== undefined && account.uid >= 0 && Number(present[2]) !== account.uid) {
      throw new HalError("input", `the user '${name}' has the id ${present[2]} in Debian, not ${account.uid}`, { at });
    }
    const owner = passwd.find((row) => Number(row[2]) === account.uid);
    if (present === undefined && owner !== undefined)
      throw new HalError("input", `the user id ${account.uid} of '${name}' is taken by '${owner[0]}'`, { at });
    const uid = present?.[2] ?? String(number(account.uid, passwd, at));
    put(passwd, [name, "x", uid, gid, account.comment, home, shell]);
    put(shadow, [name, password, "", "0", "99999", "7", "", "", ""]);
    for (const extra of account.groups) join(extra, name, at);
  }
  return { passwd: text(passwd), group: text(group), shadow: text(shadow), gshadow: text(gshadow) };
}

/** Replaces the row with the same name, or adds the row at the end. */
function put(table: Row[], row: Row): void {
  const index = table.findIndex((found) => found[0] === row[0]);
  if (index >= 0) table[index] = row;
  else table.push(row);
}
