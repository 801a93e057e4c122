import { existsSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { contractEnvironment } from "../../assemble.js";
import type { Resolved } from "../../resolved.js";
import { shellQuote } from "../../tools.js";
import type { Prepared } from "../backend.js";
import { type AccountFiles, addAccounts, parseUsersTable } from "./accounts.js";
import { runOrExplain } from "./failures.js";
import type { Kernel } from "./kernel.js";
import { inNamespace, removeTree } from "./namespace.js";
import { applyOverlay } from "./overlay.js";
import { permissionCommands } from "./permissions.js";
import type { TreeOptions } from "./root.js";

type Dirs = Pick<Prepared, "targetDir" | "binariesDir" | "hostDir" | "buildDir">;

export interface TargetInput {
  readonly resolved: Resolved;
  readonly dirs: Dirs;
  readonly externalTree: string;
  readonly rootTar: string;
  readonly kernel: Kernel;
  /** Relative to the kernel's module directory. */
  readonly modules: readonly string[];
}

/**
 * What no image keeps of the root tree: package manager state (the root is read-only), what tells the build host or
 * its clock, and what the kernel and the init system fill at boot.
 */
const discarded = [
  "/etc/apt",
  "/etc/hostname",
  "/etc/resolv.conf",
  "/etc/passwd-",
  "/etc/group-",
  "/etc/shadow-",
  "/etc/gshadow-",
  "/etc/.pwd.lock",
  "/var/lib/apt",
  "/var/lib/dpkg/info",
  "/var/lib/dpkg/status-old",
  "/var/lib/dpkg/lock",
  "/var/lib/dpkg/lock-frontend",
  "/var/lib/dpkg/triggers",
  "/var/lib/systemd/random-seed",
];
const emptied = ["/dev", "/proc", "/sys", "/run", "/tmp", "/var/tmp", "/var/cache", "/var/log"];

/** Emptied at the start of each build. */
function scratchOf({ buildDir }: Dirs): string {
  return join(buildDir, "hal-target");
}

/** TARGET_DIR: the cached root tree with modules, overlay, post-build.sh, users and permissions applied, in Buildroot's order. */
export async function makeTarget(input: TargetInput, options: TreeOptions): Promise<void> {
  const { resolved, dirs, externalTree, rootTar, kernel } = input;
  const { targetDir, binariesDir, buildDir } = dirs;
  const board = join(externalTree, "board/hal");
  const epoch = resolved.profile.sourceDateEpoch;
  const scratch = scratchOf(dirs);
  await mkdir(buildDir, { recursive: true }); // stays: post-image.sh keeps in it what it need not make again
  for (const dir of [targetDir, binariesDir, scratch]) {
    await removeTree(dir);
    await mkdir(dir, { recursive: true });
  }
  const env = contractEnvironment(dirs, epoch);
  const run = (what: string, tool: string, args: readonly string[]) =>
    runOrExplain(inNamespace({ tool, args, env, cwd: buildDir }), what, options);
  const inside = (what: string, script: string) => run(what, "chroot", [targetDir, "/bin/sh", "-euc", script]);

  options.report("copy root tree");
  await run("unpacking the root tree", "tar", [
    "--extract",
    "--same-permissions",
    "--same-owner",
    "--numeric-owner",
    "--file",
    rootTar,
    "--directory",
    targetDir,
  ]);
  await inside(
    "cleaning the root tree",
    [SHADOW, `rm -rf ${discarded.join(" ")}`, ...emptied.map((dir) => `mkdir -p ${dir}; find ${dir} -xdev -mindepth 1 -delete`)].join("\n"),
  );

  options.report("kernel modules");
  await installModules(input, run);

  options.report("overlay, users, permissions");
  const overlay = join(board, "overlay");
  if (existsSync(overlay)) await runOrExplain(applyOverlay(overlay, targetDir, scratch), "applying the overlay", options);
  const postBuild = join(board, "post-build.sh");
  if (existsSync(postBuild)) await run("post-build.sh", postBuild, [targetDir]);
  const commands = [
    ...(await applyUsers(input, join(board, "users.table"), run)),
    ...(await permissions(join(board, "permissions.table"))),
  ];
  if (commands.length > 0) await inside("applying users and permissions", commands.join("\n"));
  await run("setting times", "find", [targetDir, "-exec", "touch", "--no-dereference", `--date=@${epoch}`, "{}", "+"]);
  options.report(`kernel ${kernel.version}`);
}

/** Shadow passwords for every account (shadow(5)): Debian sets them up with the passwd package, which not every tree has. */
const SHADOW = `touch /etc/shadow /etc/gshadow
while IFS=: read -r name _; do
  grep -q "^$name:" /etc/shadow || echo "$name:*::0:99999:7:::" >> /etc/shadow
done < /etc/passwd
while IFS=: read -r name _; do
  grep -q "^$name:" /etc/gshadow || echo "$name:*::" >> /etc/gshadow
done < /etc/group
sed -i "s/^\\([^:]*\\):[^:]*:/\\1:x:/" /etc/passwd /etc/group
chown 0:shadow /etc/shadow /etc/gshadow
chmod 0640 /etc/shadow /etc/gshadow`;

type Run = (what: string, tool: string, args: readonly string[]) => Promise<unknown>;

/** A fresh directory under usr/lib/modules, which Debian's base files make: nothing to follow there yet. */
const MODULES = `mkdir -p "$3"
tar --create --directory "$1" --no-recursion --files-from "$2" --owner=0 --group=0 --numeric-owner | tar --extract --directory "$3"
test "$(find "$3" -type f | wc -l)" -eq "$(wc -l < "$2")"`;

async function installModules({ dirs, kernel, modules }: TargetInput, run: Run): Promise<void> {
  const known = ["modules.builtin", "modules.builtin.modinfo", "modules.order"].filter((name) => existsSync(join(kernel.modulesDir, name)));
  const list = join(scratchOf(dirs), "modules.list");
  await writeFile(list, [...known, ...modules].map((file) => `${file}\n`).join(""));
  await run("installing kernel modules", "sh", [
    "-euc",
    MODULES,
    "sh",
    kernel.modulesDir,
    list,
    join(dirs.targetDir, "usr/lib/modules", kernel.version),
  ]);
  const config = join(scratchOf(dirs), "depmod.d"); // empty: the host's must not be read
  await mkdir(config);
  await run("depmod", join(dirs.hostDir, "bin/depmod"), ["-b", dirs.targetDir, "-C", config, kernel.version]);
}

/** Writes the account files; the commands that make the home directories. */
async function applyUsers({ dirs }: TargetInput, table: string, run: Run): Promise<readonly string[]> {
  const text = await readFile(table, "utf8").catch(() => "");
  const accounts = parseUsersTable(text, table);
  if (accounts.length === 0) return [];
  const copy = join(scratchOf(dirs), "accounts");
  await mkdir(copy);
  await run("reading the account files", "sh", ["-euc", READ_ACCOUNTS, "sh", dirs.targetDir, copy]);
  const read = (name: keyof AccountFiles): Promise<string> => readFile(join(copy, name), "utf8");
  const before: AccountFiles = {
    passwd: await read("passwd"),
    group: await read("group"),
    shadow: await read("shadow"),
    gshadow: await read("gshadow"),
  };
  for (const [name, content] of Object.entries(addAccounts(accounts, before))) await writeFile(join(copy, name), content);
  await run("writing the account files", "sh", ["-euc", WRITE_ACCOUNTS, "sh", dirs.targetDir, copy]);
  return accounts
    .filter(({ home }) => home !== "-" && home !== "/")
    .flatMap(({ name, home }) => [`mkdir -p ${shellQuote(home)}`, `chown -R -h ${shellQuote(name)}: ${shellQuote(home)}`]);
}

/** By programs inside the tree, as root of the namespace: the files may be unreadable to the user, or links. */
const READ_ACCOUNTS = `for name in passwd group shadow gshadow; do
  chroot "$1" cat "/etc/$name" > "$2/$name"
done`;

const WRITE_ACCOUNTS = `for name in passwd group shadow gshadow; do
  chroot "$1" sh -c "cat > /etc/$name" < "$2/$name"
done`;

async function permissions(table: string): Promise<readonly string[]> {
  return permissionCommands(await readFile(table, "utf8").catch(() => ""), table);
}
