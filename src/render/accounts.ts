import type { RootContents } from "./root-contents.js";

/** users.table: one line for each account, in Buildroot's format (manual, "Makeusers syntax"). */
export function usersView({ users }: RootContents): object {
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

/** permissions.table: one line for each entry of `files` that is no link, in Buildroot's format (manual, "Makedev syntax"). */
export function permissionsView({ files }: RootContents): object {
  const own = files.filter(({ link }) => link === undefined);
  return { files: own.map(({ path, mode, owner, group }) => ({ path, mode: mode.toString(8), owner, group })) };
}
