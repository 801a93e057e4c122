import { constants } from "node:fs";
import { copyFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { binaries, files } from "../../bundle/files.js";
import { BLOCK } from "../../codecs/verity.js";
import { HalError } from "../../lib/errors.js";
import { runOrExplain } from "../../lib/failures.js";
import { inSandbox } from "../../lib/namespace.js";
import { shellScript } from "../../lib/paths.js";
import { formatSize, parseSize } from "../../lib/size.js";
import { runCommand } from "../../lib/tools.js";
import type { Resolved } from "../../model/resolved.js";
import { contractEnvironment, type Prepared } from "../backend.js";
import type { TreeOptions } from "./root.js";
import { targetSandbox } from "./sandbox.js";

type Dirs = Pick<Prepared, "targetDir" | "binariesDir" | "hostDir" | "buildDir" | "layers">;

/** BINARIES_DIR: the kernel, and the root filesystem image of the layout. */
export async function makeImages(resolved: Resolved, dirs: Dirs, kernelImage: string, options: TreeOptions): Promise<void> {
  const kernel = join(dirs.binariesDir, files.kernel);
  await rm(kernel, { recursive: true, force: true }); // a program of the profile can have put a link there
  await copyFile(kernelImage, kernel, constants.COPYFILE_EXCL);
  if (resolved.layout.root.type === "verity") await makeExt4(resolved, dirs, options);
  else await makeCpio(resolved, dirs, options);
}

/**
 * Makes rootfs.ext4. Its bytes depend only on the tree, the size and the profile's root partition id. mke2fs (1.47.1
 * and later, of the tools tree) takes all times from SOURCE_DATE_EPOCH. It contains no journal, because nothing writes
 * to it later.
 * @throws HalError "input" when the tree does not fit
 */
async function makeExt4(resolved: Resolved, dirs: Dirs, options: TreeOptions): Promise<void> {
  const size = parseSize(resolved.layout.root.size);
  const uuid = resolved.partitions.find(({ name }) => name === "root")?.uuid;
  if (uuid === undefined) throw new Error("a verity layout without a root partition");
  const image = join(dirs.binariesDir, files.root);
  const args = [
    "-q",
    "-t",
    "ext4",
    "-b",
    String(BLOCK),
    "-m",
    "0",
    "-O",
    "^has_journal,^resize_inode,^orphan_file",
    "-U",
    uuid,
    "-E",
    `hash_seed=${uuid},root_owner=0:0`,
    "-L",
    "root",
    "-d",
    dirs.targetDir,
    image,
    String(size / BLOCK),
  ];
  const env = contractEnvironment(dirs, resolved.profile.sourceDateEpoch);
  options.report("root filesystem");
  await rm(image, { force: true });
  const command = inSandbox({ tool: join(dirs.hostDir, "bin/mke2fs"), args, env }, targetSandbox(dirs, []));
  const result = await runCommand(command, { log: options.log, signal: options.signal, allowFailure: true });
  if (result.exitCode === 0) return;
  if (/Could not allocate (block|inode)|too small/.test(result.stderr)) {
    throw tooSmall(resolved, await neededBytes(dirs, env, options), size);
  }
  await runOrExplain(command, "mke2fs", { log: options.log, signal: options.signal });
}

function tooSmall(resolved: Resolved, needed: number, size: number): HalError {
  const at = resolved.origins.get("/layoutOptions/rootSize") ?? resolved.origins.get("/layout");
  return new HalError(
    "input",
    `the root tree needs ${formatSize(needed)}, and the root filesystem of layout '${resolved.layout.name}' has ${formatSize(size)}`,
    {
      ...(at === undefined ? {} : { at }),
      remedy: `set layoutOptions.rootSize to at least ${Math.ceil(needed / 2 ** 20)}M`,
    },
  );
}

/** An upper estimate of a tree's size in ext4: its blocks, 512 bytes for each inode (256 and a reserve), and 5 % for metadata. */
async function neededBytes(dirs: Dirs, env: Readonly<Record<string, string>>, options: TreeOptions): Promise<number> {
  const { stdout } = await runOrExplain(
    inSandbox({ tool: "find", args: [dirs.targetDir, "-printf", "%s\\n"], env }, targetSandbox(dirs, [])),
    "measuring the root tree",
    { signal: options.signal },
  );
  const sizes = stdout.trimEnd().split("\n").map(Number);
  const blocks = sizes.reduce((sum, size) => sum + Math.ceil(size / BLOCK) * BLOCK, 0);
  return Math.ceil((blocks + sizes.length * 512) * 1.05) + 2 ** 20;
}

async function makeCpio(resolved: Resolved, dirs: Dirs, { log, report, signal }: TreeOptions): Promise<void> {
  report("root archive");
  const env = contractEnvironment(dirs, resolved.profile.sourceDateEpoch);
  const [archive, list] = [join(dirs.binariesDir, binaries.rootArchive), join(dirs.buildDir, "hal-cpio.list")];
  const args = [shellScript("debian/make-cpio.sh"), dirs.targetDir, archive, list];
  await runOrExplain(inSandbox({ tool: "sh", args, env }, targetSandbox(dirs, [])), "cpio", { log, signal });
}
