import { existsSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { runOrExplain } from "../../lib/failures.js";
import { inNamespace, type Layers, openLayers, removeTree } from "../../lib/namespace.js";
import { shellQuote } from "../../lib/tools.js";
import type { Resolved } from "../../model/resolved.js";
import { contractEnvironment, type Prepared } from "../backend.js";
import { type AccountFiles, addAccounts, parseUsersTable } from "./accounts.js";
import type { Kernel } from "./kernel.js";
import { applyOverlay } from "./overlay.js";
import { permissionCommands } from "./permissions.js";
import type { TreeOptions } from "./root.js";

type Dirs = Pick<Prepared, "targetDir" | "binariesDir" | "hostDir" | "buildDir" | "layers">;

export interface TargetInput {
  readonly resolved: Resolved;
  readonly dirs: Dirs;
  readonly externalTree: string;
  /** The cached root tree. */
  readonly rootTree: string;
  readonly kernel: Kernel;
  /** Relative to the kernel's module directory. */
  readonly modules: readonly string[];
}

/** Emptied at the start of each build. */
function scratchOf({ buildDir }: Dirs): string {
  return join(buildDir, "hal-target");
}

/**
 * TARGET_DIR: the cached root tree with modules, overlay, post-build.sh, users and permissions applied, in Buildroot's order.
 * @returns what has to be mounted for it to be seen
 */
export async function makeTarget(input: TargetInput, options: TreeOptions): Promise<Layers | undefined> {
  const { resolved, dirs, externalTree, kernel } = input;
  const { targetDir, binariesDir, buildDir } = dirs;
  const board = join(externalTree, "board/hal");
  const epoch = resolved.profile.sourceDateEpoch;
  const scratch = scratchOf(dirs);
  await mkdir(buildDir, { recursive: true }); // stays: post-image.sh keeps in it what it need not make again
  for (const dir of [targetDir, binariesDir, scratch]) {
    await removeTree(dir);
    await mkdir(dir, { recursive: true });
  }
  const layers = await layRootTree(input, options);
  const env = contractEnvironment(dirs, epoch);
  const run: Run = (what, tool, args) => runOrExplain(inNamespace({ tool, args, env, cwd: buildDir }, layers), what, options);

  options.report("kernel modules");
  await installModules(input, run);

  options.report("overlay, users, permissions");
  const overlay = join(board, "overlay");
  if (existsSync(overlay)) await runOrExplain(applyOverlay(overlay, targetDir, scratch, layers), "applying the overlay", options);
  const postBuild = join(board, "post-build.sh");
  if (existsSync(postBuild)) await run("post-build.sh", postBuild, [targetDir]);
  const commands = [
    ...(await applyUsers(input, join(board, "users.table"), run)),
    ...(await permissions(join(board, "permissions.table"))),
  ];
  if (commands.length > 0) await run("applying users and permissions", "chroot", [targetDir, "/bin/sh", "-euc", commands.join("\n")]);
  // Those of the cached tree have the time already: to touch them would copy them all.
  const changed = ["(", "-newermt", `@${epoch}`, "-o", "!", "-newermt", `@${epoch - 1}`, ")"];
  await run("setting times", "find", [targetDir, ...changed, "-exec", "touch", "--no-dereference", `--date=@${epoch}`, "{}", "+"]);
  options.report(`kernel ${kernel.version}`);
  return layers;
}

/** Puts the root tree below TARGET_DIR: as a layer where the kernel and the filesystem can, else as a copy. */
async function layRootTree({ dirs, rootTree }: TargetInput, options: TreeOptions): Promise<Layers | undefined> {
  options.report("root tree");
  const layers = await openLayers({ base: rootTree, changes: join(scratchOf(dirs), "layers"), at: dirs.targetDir }, options);
  if (layers !== undefined) return layers;
  const copy = { tool: "cp", args: ["--archive", "--reflink=auto", "--", `${rootTree}/.`, dirs.targetDir] };
  await runOrExplain(inNamespace(copy), "copying the root tree", options);
  return undefined;
}

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
