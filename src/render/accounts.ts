import type { Resolved } from "../model/resolved.js";

/** One line for each account, in Buildroot's format (manual, "Makeusers syntax"). */
export function usersView({ users }: Resolved): object {
  return {
    users: users.map(({ name, uid, gid, groups, home, shell, password }) => ({
      name,
      uid,
      group: name,
      gid: gid ?? uid,
      password: password ?? "*",
      home: home ?? "-",
      shell,
      groups: groups.length === 0 ? "-" : groups.join(","),
    })),
  };
}

/** One line for each file of the profile (manual, "Makedev syntax"); through a link it would change what the link leads to. */
export function permissionsView({ files }: Resolved): object {
  const own = files.filter(({ link }) => link === undefined);
  return { files: own.map(({ path, mode, owner, group }) => ({ path, mode: mode.toString(8), owner, group })) };
}
