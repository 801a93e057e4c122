import { readdir, readlink, stat } from "node:fs/promises";
import { join, normalize } from "node:path";
import { HalError, type Location } from "../lib/errors.js";
import { nearest } from "../lib/nearest.js";
import { parseSize } from "../lib/size.js";
import { listDocuments } from "../load/catalog.js";
import { nearestOrigin } from "../load/tree.js";
import { platforms } from "../model/platforms/index.js";
import type { Resolved } from "../model/resolved.js";

type Check = (resolved: Resolved, at: (pointer: string) => Location) => void | Promise<void>;

const fail = (message: string, at: Location, remedy?: string): never => {
  throw new HalError("input", message, { at, ...(remedy === undefined ? {} : { remedy }) });
};

const MiB = 2 ** 20;
/** dm-integrity metadata, the zeroed first and last blocks and an ext4 need at least this. */
const MIN_RW_BYTES = 16 * MiB;
const MIN_ROOT_BYTES = 8 * MiB;
const MIN_SWAP_BYTES = 1 * MiB;
/** ext4 with 4 KiB blocks and no 64-bit surprises; far above any image. */
const MAX_PARTITION_BYTES = 8 * 2 ** 40;

/** Parameters that hal itself adds, or that would undo what the image guarantees; `-` and `_` are one to kernel and systemd. */
const RESERVED_PARAMETERS = ["roothash", "rdinit", "init", "root", "rootflags", "ro", "rw", "initrd", "dm_mod.create"];
const DEBUG_PARAMETERS = [
  "systemd.debug_shell",
  "rd.break",
  "rd.shell",
  "single",
  "emergency",
  "rescue",
  "s",
  "_s",
  "S",
  "1",
  "_b",
  "systemd.unit",
  "systemd.run",
];
/** What the kernel says, or whom it lets debug it, through a device of the host's. */
const CONSOLE_PARAMETERS = ["console", "earlycon", "earlyprintk", "netconsole", "kgdboc"];
const NO_CONSOLE = ["console=null", "console=ttynull"];

function features({ features, profile }: Resolved, at: (pointer: string) => Location): void {
  const names = features.map((feature) => feature.name);
  for (const feature of features) {
    const where = at(`/features/${Math.max(0, profile.features.indexOf(feature.name))}`);
    for (const needed of feature.requires.features) {
      if (!names.includes(needed)) fail(`feature '${feature.name}' needs feature '${needed}'`, where, `add '${needed}' to features`);
    }
    if (feature.requires.init !== undefined && feature.requires.init !== profile.init) {
      fail(`feature '${feature.name}' needs init: ${feature.requires.init}, and the profile has ${profile.init}`, where);
    }
  }
  for (const [index, name] of profile.backends.debian.omit.entries()) {
    // A feature that an extending profile leaves out altogether is no mistake here.
    const where = at(`/backends/debian/omit/${index}`);
    if (names.includes(name) || listDocuments("feature", where.file).some((known) => known.name === name)) continue;
    const guess = nearest(name, names);
    fail(
      `backends.debian.omit names '${name}', and no feature is called that`,
      where,
      guess === undefined ? undefined : `did you mean '${guess}'?`,
    );
  }
}

function platform({ profile, layout, platform: name }: Resolved, at: (pointer: string) => Location): void {
  if (platforms[name].starts !== "enclave") return;
  if (layout.root.type !== "ram") fail(`platform ${name} has no disk, and layout '${layout.name}' has one`, at("/layout"), "layout: ram");
  if (profile.boot === "uki") fail(`platform ${name} starts an enclave image, not a unified kernel image`, at("/boot"), "boot: direct");
}

/** BusyBox's init would leave a unit lying there, and nobody would say so. */
function services({ profile, units, enable, disable }: Resolved, at: (pointer: string) => Location): void {
  if (profile.init === "systemd") return;
  const [unit] = units;
  if (unit !== undefined) fail(`${unit.name} is a systemd unit, and init is ${profile.init}`, unit.at, "init: systemd");
  for (const [key, [name]] of Object.entries({ enable, disable }))
    if (name !== undefined)
      fail(`services.${key} names ${name}, a systemd unit, and init is ${profile.init}`, at(`/services/${key}`), "init: systemd");
}

/** Linux COMMAND_LINE_SIZE (arch/x86/include/asm/setup.h), without the NUL at its end. */
const MAX_CMDLINE_BYTES = 2047;
const ROOTHASH_BYTES = " roothash=".length + 64;

function kernelParameters({ profile, layout, cmdline }: Resolved, at: (pointer: string) => Location): void {
  const words = [
    ...profile.kernel.cmdline.map((word, index) => ({ word, where: at(`/kernel/cmdline/${index}`) })),
    ...layout.cmdline.map((word) => ({ word, where: at("/layout") })),
  ];
  for (const { word, where } of words) {
    // A quote before the name is the kernel's to remove (lib/cmdline.c, next_arg).
    const [name = ""] = word.replace(/^"/, "").replace(/=.*/s, "").split('"');
    const plain = name.replaceAll("-", "_");
    if ((word.match(/"/g)?.length ?? 0) % 2 !== 0) fail(`kernel parameter ${word} has an unbalanced quote`, where);
    if (/[`$\\']/.test(word))
      fail(
        `kernel parameter ${word} has a character that no launcher passes on safely`,
        where,
        "no quotes, backslashes, dollar signs or backticks",
      );
    if (RESERVED_PARAMETERS.includes(plain)) fail(`kernel parameter '${name}' is hal's own to set`, where, "remove it");
    if (DEBUG_PARAMETERS.includes(plain) && !profile.debug)
      fail(`kernel parameter '${name}' opens the image to whoever has the console`, where, "set debug: true, for development only");
    if (CONSOLE_PARAMETERS.includes(plain) && !NO_CONSOLE.includes(word) && !profile.debug)
      fail(`${word} gives the console to the host`, where, "set debug: true, for development only");
  }
  const bytes = cmdline.join(" ").length + (layout.root.type === "verity" ? ROOTHASH_BYTES : 0);
  if (bytes > MAX_CMDLINE_BYTES)
    fail(
      `the kernel command line has ${bytes} bytes, and Linux reads only ${MAX_CMDLINE_BYTES}`,
      at("/kernel/cmdline"),
      "remove parameters",
    );
}

function sizes({ layout }: Resolved, at: (pointer: string) => Location): void {
  const check = (what: string, size: string, least: number, pointer: string): void => {
    const bytes = parseSize(size);
    if (bytes < least) fail(`the ${what} has ${size}: too small`, at(pointer), `at least ${least / MiB}M`);
    if (bytes > MAX_PARTITION_BYTES) fail(`the ${what} has ${size}: too large`, at(pointer), "at most 8T");
    if (bytes % 4096 !== 0) fail(`the ${what} has ${size}: not a multiple of 4096 bytes`, at(pointer));
  };
  if (layout.root.type === "verity") check("root partition", layout.root.size, MIN_ROOT_BYTES, "/layoutOptions/rootSize");
  if (layout.rw !== undefined) check("read-write partition", layout.rw.size, MIN_RW_BYTES, "/layoutOptions/rwSize");
  if (layout.swap !== undefined) check("swap partition", layout.swap.size, MIN_SWAP_BYTES, "/layoutOptions/swapSize");
  if (layout.root.type === "ram" && (layout.rw !== undefined || layout.swap !== undefined))
    fail(`layout '${layout.name}' lives in RAM and cannot have partitions`, at("/layout"));
  const mounts = [
    ...layout.tmpfs.map((area) => area.path),
    ...(layout.rw?.binds ?? []),
    ...(layout.rw === undefined ? [] : [layout.rw.mount]),
  ];
  for (const [index, path] of mounts.entries()) {
    if (mounts.indexOf(path) !== index) fail(`layout '${layout.name}' mounts ${path} twice`, at("/layout"));
    if (["/", "/etc"].includes(path) || /^\/(usr|bin|sbin|lib|lib64|dev|proc|sys|boot)(\/|$)/.test(path)) {
      fail(`layout '${layout.name}' mounts over ${path}, which must stay verified`, at("/layout"));
    }
  }
}

function uniqueness({ files, users, units, profile }: Resolved, at: (pointer: string) => Location): void {
  const once = <T>(items: readonly T[], key: (item: T) => string | number, what: string, where: (index: number) => Location): void => {
    const seen = new Set<string | number>();
    for (const [index, item] of items.entries()) {
      if (seen.has(key(item))) fail(`${what} ${key(item)} is given twice`, where(index));
      seen.add(key(item));
    }
  };
  once(
    files,
    (file) => file.path,
    "file",
    (index) => files[index]?.at ?? at("/files"),
  );
  once(
    units,
    (unit) => unit.name,
    "unit",
    (index) => units[index]?.at ?? at("/services/units"),
  );
  once(
    users,
    (user) => user.name,
    "user",
    () => at("/users"),
  );
  once(
    users,
    (user) => user.uid,
    "user id",
    () => at("/users"),
  );
  once(
    profile.launch.forwards,
    (forward) => forward.host,
    "launch.forwards: host port",
    (index) => at(`/launch/forwards/${index}`),
  );
  once(
    profile.launch.shares,
    (share) => share.tag,
    "launch.shares: tag",
    (index) => at(`/launch/shares/${index}`),
  );
}

/** Overlays are people's own trees: only what an image can hold, and no link through which a file would land elsewhere. */
async function overlays(resolved: Resolved, at: (pointer: string) => Location): Promise<void> {
  for (const overlay of resolved.overlays) {
    const index = resolved.profile.overlays.indexOf(overlay);
    const where = at(index < 0 ? "/features" : `/overlays/${index}`);
    const info = await stat(overlay).catch(() => undefined);
    if (info === undefined) fail(`overlay ${overlay} does not exist`, where);
    if (!info?.isDirectory()) fail(`overlay ${overlay} is not a directory`, where);
    await checkOverlayTree(overlay, "", where);
  }
}

async function checkOverlayTree(root: string, inside: string, where: Location): Promise<void> {
  for (const entry of await readdir(join(root, inside), { withFileTypes: true })) {
    const path = join(inside, entry.name);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: a file name may hold anything but these
    if (/[\u0000-\u001f\u007f]/.test(entry.name)) fail(`overlay file ${JSON.stringify(path)} has a control character in its name`, where);
    if (entry.isDirectory()) await checkOverlayTree(root, path, where);
    else if (entry.isSymbolicLink()) {
      const target = await readlink(join(root, path));
      const climbs = !target.startsWith("/") && normalize(join(inside, target)).startsWith("..");
      if (climbs) fail(`overlay link ${path} points to ${target}, out of the tree`, where);
    } else if (!entry.isFile()) fail(`overlay entry ${path} is neither a file, a directory nor a symbolic link`, where);
  }
}

const checks: readonly Check[] = [platform, features, services, kernelParameters, sizes, uniqueness, overlays];

/** What a schema cannot say: that the parts of a profile fit together. Throws the first misfit, located. */
export async function checkSemantics(resolved: Resolved): Promise<void> {
  const at = (pointer: string): Location => nearestOrigin(resolved.origins, pointer);
  for (const check of checks) await check(resolved, at);
}
