import { createHash } from "node:crypto";
import { files, initrdName } from "../bundle/files.js";
import type { Location } from "../lib/errors.js";
import { guidBytes } from "../lib/guid.js";
import { parseSize } from "../lib/size.js";
import { nearestOrigin } from "../load/tree.js";
import type { Resolved } from "../model/resolved.js";
import { stableUuid } from "../resolve/partitions.js";
import { applets } from "./busybox.js";
import { modulesOf } from "./modules.js";

export function originOf(resolved: Resolved, pointer: string): Location {
  return nearestOrigin(resolved.origins, pointer);
}

/** What the templates of early boot, assembly and disk are filled with: literal values only. */
export function bootView(resolved: Resolved): object {
  const { profile, layout, name } = resolved;
  const bytes = layout.root.type === "verity" ? parseSize(layout.root.size) : 0;
  const rw = layout.root.type === "verity" ? layout.rw : undefined;
  const swap = layout.root.type === "verity" ? layout.swap : undefined;
  const modules = modulesOf(resolved);
  return {
    name,
    hostname: profile.hostname,
    debug: profile.debug,
    epoch: profile.sourceDateEpoch,
    waitTries: 100,
    partuuid: Object.fromEntries(resolved.partitions.map((partition) => [partition.name, partition.uuid])),
    guid: Object.fromEntries(resolved.partitions.map((partition) => [partition.name, guidBytes(partition.uuid).toString("hex")])),
    verity: {
      bytes,
      blocks: bytes / 4096,
      uuid: stableUuid(`${name}/verity superblock`),
      salt: createHash("sha256").update(`hal/v1/${name}/verity salt`).digest("hex"),
    },
    rw: rw === undefined ? false : { mount: rw.mount, binds: [...rw.binds].sort(), integrity: rw.integrity === "hmac-sha256" },
    swap: swap !== undefined,
    tmpfs: tmpfsOf(resolved),
    modules: [...modules.boot, ...modules.optional],
    programs: [
      "busybox",
      "veritysetup",
      ...(rw !== undefined || swap !== undefined ? ["cryptsetup"] : []),
      ...(rw === undefined ? [] : ["mke2fs"]),
    ],
    applets,
    suffix: layout.compression === "gzip" ? "gz" : "zst",
    gzip: layout.compression === "gzip",
    initrd: initrdName(layout.root.type, layout.compression),
    uki: profile.boot === "uki",
    diskUuid: stableUuid(`${name}/disk`),
    partitions: resolved.partitions.map((partition) => ({ ...partition, image: imageOf[partition.name], size: partition.size ?? false })),
    espId: stableUuid(`${name}/esp`).slice(0, 8),
  };
}

/** The file that a partition is filled with; the guest itself makes the others. */
const imageOf = { esp: "esp.vfat", root: files.root, verity: files.hashTree, rw: false, swap: false } as const;

interface TmpfsView {
  readonly path: string;
  readonly options: string;
  /** The mount point is made at boot, because what it lies in is made at boot too. */
  readonly make: boolean;
}

/** /run first, which systemd then finds mounted; then the layout's areas, outer ones before inner ones. */
function tmpfsOf(resolved: Resolved): TmpfsView[] {
  const areas = resolved.layout.tmpfs.map(({ path, size, mode, exec, noswap }) => ({
    path,
    options: ["nodev", "nosuid", ...(exec ? [] : ["noexec"]), ...(noswap ? ["noswap"] : []), `size=${size}`, `mode=${mode}`].join(","),
  }));
  const run = { path: "/run", options: "nodev,nosuid,size=20%,mode=0755" };
  return [...(areas.some(({ path }) => path === "/run") ? [] : [run]), ...areas]
    .sort((a, b) => (a.path < b.path ? -1 : 1))
    .map((area) => ({ ...area, make: areas.concat(run).some((outer) => area.path.startsWith(`${outer.path}/`)) }));
}
