import { existsSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { runOrExplain } from "../../lib/failures.js";
import { makeInside, readInside } from "../../lib/links.js";
import { inSandbox, type Layers, openLayers, removeTree } from "../../lib/namespace.js";
import { shellScript } from "../../lib/paths.js";
import type { Resolved } from "../../model/resolved.js";
import { contractEnvironment, type Prepared } from "../backend.js";
import { type AccountFiles, addAccounts, parseUsersTable } from "./accounts.js";
import type { Kernel } from "./kernel.js";
import { applyOverlay } from "./overlay.js";
import { type Permission, parsePermissions, permissionLines } from "./permissions.js";
import type { TreeOptions } from "./root.js";
import { targetSandbox } from "./sandbox.js";

type Dirs = Pick<Prepared, "targetDir" | "binariesDir" | "hostDir" | "buildDir" | "layers">;

export interface TargetInput {
  readonly resolved: Resolved;
  readonly dirs: Dirs;
  /** A directory for files that hal writes and the tree's programs only read. */
  readonly lists: string;
  /** A directory for the layers of the tree, which its programs cannot reach. */
  readonly changes: string;
  readonly externalTree: string;
  /** The cached root tree. */
  readonly rootTree: string;
  readonly kernel: Kernel;
  /** Relative to the kernel's module directory. */
  readonly modules: readonly string[];
}

/** Bytes; far more than an account file has. */
const MOST_ACCOUNT_BYTES = 16 * 1024 * 1024;

/** A directory that is emptied at the start of each build. */
function scratchOf({ buildDir }: Dirs): string {
  return join(buildDir, "hal-target");
}

/**
 * TARGET_DIR: the cached root tree with modules, overlay, post-build.sh, users and permissions applied, in Buildroot's order.
 * @returns the layers that must be mounted to see it
 */
export async function makeTarget(input: TargetInput, options: TreeOptions): Promise<Layers | undefined> {
  const { resolved, dirs, lists, changes, externalTree, kernel } = input;
  const { targetDir, binariesDir, buildDir } = dirs;
  const board = join(externalTree, "board/hal");
  const epoch = resolved.profile.sourceDateEpoch;
  const scratch = scratchOf(dirs);
  // BUILD_DIR itself is kept between builds: post-image.sh stores compressed files in it.
  for (const dir of [targetDir, binariesDir, scratch, lists, changes]) {
    await removeTree(dir);
    await mkdir(dir);
  }
  const layers = await layRootTree(input, options);
  const env = contractEnvironment(dirs, epoch);
  const sandbox = targetSandbox({ ...dirs, layers }, [externalTree, kernel.modulesDir, lists], [scratch]);
  const run: Run = (what, tool, args) => runOrExplain(inSandbox({ tool, args, env, cwd: buildDir }, sandbox), what, options);

  options.report("kernel modules");
  await installModules(input, run);

  options.report("overlay, users, permissions");
  const overlay = join(board, "overlay");
  if (existsSync(overlay)) await runOrExplain(applyOverlay(overlay, targetDir, scratch, sandbox), "applying the overlay", options);
  const postBuild = join(board, "post-build.sh");
  if (existsSync(postBuild)) await run("post-build.sh", postBuild, [targetDir]);
  const { accounts, homes } = await applyUsers(input, join(board, "users.table"), run);
  const table = join(board, "permissions.table");
  const permissions = [...homes, ...parsePermissions(await readFile(table, "utf8").catch(() => ""), table)];
  const list = join(lists, "permissions");
  await writeFile(list, permissionLines(permissions, accounts));
  await run("applying permissions", "sh", [shellScript("debian/apply-permissions.sh"), targetDir, list]);
  // Files of the cached tree have this time already. To touch them would copy all of them to the upper layer.
  const changed = ["(", "-newermt", `@${epoch}`, "-o", "!", "-newermt", `@${epoch - 1}`, ")"];
  await run("setting times", "find", [targetDir, ...changed, "-exec", "touch", "--no-dereference", `--date=@${epoch}`, "{}", "+"]);
  options.report(`kernel ${kernel.version}`);
  return layers;
}

/** Puts the root tree into TARGET_DIR: as a layer if kernel and filesystem support overlayfs, else as a copy. */
async function layRootTree({ dirs, changes, rootTree }: TargetInput, options: TreeOptions): Promise<Layers | undefined> {
  options.report("root tree");
  const layers = await openLayers({ base: rootTree, changes, at: dirs.targetDir }, options);
  if (layers !== undefined) return layers;
  const copy = { tool: "cp", args: ["--archive", "--reflink=auto", "--", `${rootTree}/.`, dirs.targetDir] };
  await runOrExplain(inSandbox(copy, targetSandbox({ ...dirs, layers }, [rootTree])), "copying the root tree", options);
  return undefined;
}

type Run = (what: string, tool: string, args: readonly string[]) => Promise<unknown>;

async function installModules({ dirs, lists, kernel, modules }: TargetInput, run: Run): Promise<void> {
  const known = ["modules.builtin", "modules.builtin.modinfo", "modules.order"].filter((name) => existsSync(join(kernel.modulesDir, name)));
  const list = join(lists, "modules.list");
  await writeFile(list, [...known, ...modules].map((file) => `${file}\n`).join(""));
  // A new directory: usr/lib/modules itself comes from Debian's base files, so there is no link to follow.
  const target = join(dirs.targetDir, "usr/lib/modules", kernel.version);
  await run("installing kernel modules", "sh", [shellScript("debian/install-modules.sh"), kernel.modulesDir, list, target]);
  const config = join(lists, "depmod.d"); // empty, so that depmod does not read the host's configuration
  await mkdir(config);
  await run("depmod", join(dirs.hostDir, "bin/depmod"), ["-b", dirs.targetDir, "-C", config, kernel.version]);
}

/**
 * Writes the account files.
 * @returns the new account files, and the permissions of the home directories
 */
async function applyUsers(
  { dirs, lists }: TargetInput,
  table: string,
  run: Run,
): Promise<{ readonly accounts: AccountFiles; readonly homes: readonly Permission[] }> {
  const users = parseUsersTable(await readFile(table, "utf8").catch(() => ""), table);
  const scratch = scratchOf(dirs);
  await run("reading the account files", "sh", [shellScript("debian/read-accounts.sh"), dirs.targetDir, join(scratch, "accounts")]);
  const read = (name: keyof AccountFiles): Promise<string> => readInside(scratch, join("accounts", name), MOST_ACCOUNT_BYTES);
  const before: AccountFiles = {
    passwd: await read("passwd"),
    group: await read("group"),
    shadow: await read("shadow"),
    gshadow: await read("gshadow"),
  };
  if (users.length === 0) return { accounts: before, homes: [] };
  const accounts = addAccounts(users, before);
  const changed = await makeInside(lists, "accounts");
  for (const [name, content] of Object.entries(accounts)) await writeFile(join(changed, name), content);
  await run("writing the account files", "sh", [shellScript("debian/write-accounts.sh"), dirs.targetDir, changed]);
  const withHome = users.filter(({ home }) => home !== "-" && home !== "/");
  const homes = withHome.flatMap(({ name, home }) =>
    (["d", "r"] as const).map((type) => ({ type, mode: "-1", owner: `${name}:`, path: home })),
  );
  return { accounts, homes };
}
