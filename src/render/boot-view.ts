import { createHash } from "node:crypto";
import { files, initrdName } from "../bundle/files.js";
import { guidBytes } from "../lib/guid.js";
import { parseSize } from "../lib/size.js";
import type { Layout } from "../model/generated.js";
import { partitionAlignment, stableUuid } from "../model/partitions.js";
import type { BackendName, Resolved } from "../model/resolved.js";
import { applets } from "./busybox.js";
import { modulesOf } from "./modules.js";

/** The bytes of a sector in sysfs, for every disk (Linux Documentation/ABI/stable/sysfs-block, "size"). */
const SECTOR = 512;

/** The values of init, post-image.sh and genimage.cfg. */
export function bootView(resolved: Resolved, backend: BackendName): object {
  const { profile, layout, name } = resolved;
  const bytes = layout.root.type === "verity" ? parseSize(layout.root.size) : 0;
  const rw = layout.root.type === "verity" ? layout.rw : undefined;
  const swap = layout.root.type === "verity" ? layout.swap : undefined;
  const modules = modulesOf(resolved, backend);
  return {
    name,
    hostname: profile.hostname,
    debug: profile.debug,
    epoch: profile.sourceDateEpoch,
    waitTries: 100,
    partuuid: Object.fromEntries(resolved.partitions.map((partition) => [partition.name, partition.uuid])),
    sectors: Object.fromEntries(resolved.partitions.map(({ name, size }) => [name, size === undefined ? undefined : size / SECTOR])),
    guid: Object.fromEntries(resolved.partitions.map((partition) => [partition.name, guidBytes(partition.uuid).toString("hex")])),
    verity: {
      bytes,
      blocks: bytes / 4096,
      uuid: stableUuid(`${name}/verity superblock`),
      salt: createHash("sha256").update(`hal/v1/${name}/verity salt`).digest("hex"),
    },
    rw: rw === undefined ? false : rwView(rw),
    swap: swap !== undefined,
    tmpfs: tmpfsOf(resolved),
    modules: modules.boot,
    programs: [
      "busybox",
      "veritysetup",
      ...(rw !== undefined || swap !== undefined ? ["cryptsetup"] : []),
      ...(rw === undefined ? [] : ["mkfs.xfs"]),
    ],
    applets,
    suffix: layout.compression === "gzip" ? "gz" : "zst",
    gzip: layout.compression === "gzip",
    initrd: initrdName(layout.root.type, layout.compression),
    uki: profile.boot === "uki",
    alignment: partitionAlignment,
    diskUuid: stableUuid(`${name}/disk`),
    partitions: resolved.partitions.map((partition) => ({ ...partition, image: imageOf[partition.name], size: partition.size ?? false })),
    espId: stableUuid(`${name}/esp`).slice(0, 8),
  };
}

function rwView({ mount, binds, integrity, exec, size }: NonNullable<Layout["rw"]>): object {
  // Tags and journal of dm-integrity take a little more than 1/64.
  const leastSectors = Math.floor((parseSize(size) / SECTOR) * (31 / 32));
  return { mount, binds: [...binds].sort(), integrity: integrity === "hmac-sha256", exec, leastSectors };
}

/** The image file of a partition. The guest itself makes the contents of the others. */
const imageOf = { esp: "esp.vfat", root: files.root, verity: files.hashTree, rw: false, swap: false } as const;

interface TmpfsView {
  readonly path: string;
  readonly options: string;
  /** Whether boot makes the mount point: it is inside of another area. */
  readonly make: boolean;
}

/** /run, which systemd expects to find mounted, and the areas of the layout; outer ones before inner ones. */
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
