import { mkdtemp, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { hashTree, hashTreeSize } from "../../src/codecs/verity.js";
import { describeLaunch } from "../../src/launch/describe.js";
import { canonicalJson, type FileDigest, sha256 } from "../../src/lib/digest.js";
import { launchRequest } from "../../src/measure/from-bundle.js";
import { measure, toMeasurements } from "../../src/measure/measure.js";
import type { Launch, Manifest, Measurements } from "../../src/model/generated.js";
import { resolve } from "../../src/resolve/resolve.js";
import { verifyDisk } from "../../src/verify/disk.js";
import { verifyRoot } from "../../src/verify/root.js";
import { verifyOutput } from "../../src/verify/verify.js";
import { manifestOf } from "../bundle/manifest-fixture.js";
import { buildPe } from "../codecs/build-pe.js";
import { buildDisk, type DiskPart, devParts } from "./build-disk.js";

const BLOCK = 4096;
const salt = Buffer.alloc(32, 0xab);

/** 300 blocks; every third one is zeros. */
function data(): Buffer {
  const bytes = Buffer.alloc(300 * BLOCK);
  for (let at = 0; at < bytes.length; at += 4)
    if (Math.floor(at / BLOCK) % 3 !== 0) bytes.writeUInt32LE(Number((BigInt(at) * 2654435761n) & 0xffffffffn), at);
  return bytes;
}

/** Chunks in one buffer, as of a file that is read into it. */
async function* chunks(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  const buffer = Buffer.alloc(size);
  for (let at = 0; at < bytes.length; at += size) yield buffer.subarray(0, bytes.copy(buffer, 0, at, at + size));
}

describe("a dm-verity hash tree", () => {
  test.each([300 * BLOCK, 7 * BLOCK, BLOCK + 1, 1000])("is veritysetup's, from chunks of %i bytes", async (size) => {
    const { root, tree } = await hashTree(chunks(Buffer.concat([data(), Buffer.alloc(100)]), size), salt);
    // veritysetup 2.6.1: format --salt abab… --hash=sha256 --format=1 --data-block-size=4096 --hash-block-size=4096
    expect(root).toBe("87a38b4c9eca12961fdbb6ce34d4e019fe1a9283b8335ea4e066f2241f1e99a8");
    expect(sha256(tree)).toBe("65474a04a830b4cd8d01a8f7d64da5e06606efd5d4033cee03de0d28e9090b9d");
  });

  test.each([0, 1, 127, 128, 129, 128 * 128, 128 * 128 + 1])("has the computed size for %i blocks", async (blocks) => {
    const { tree } = await hashTree(chunks(Buffer.alloc(blocks * BLOCK + 100), 2 ** 20), salt);
    expect(hashTreeSize(blocks * BLOCK + 100)).toBe(BLOCK + tree.length);
  });
});

function superblock(blocks: number): Buffer {
  const bytes = Buffer.alloc(BLOCK);
  bytes.write("verity");
  bytes.writeUInt32LE(1, 8);
  bytes.writeUInt32LE(1, 12);
  bytes.write("sha256", 32);
  bytes.writeUInt32LE(BLOCK, 64);
  bytes.writeUInt32LE(BLOCK, 68);
  bytes.writeBigUInt64LE(BigInt(blocks), 72);
  bytes.writeUInt16LE(salt.length, 80);
  bytes.set(salt, 88);
  return bytes;
}

const MiB = 2 ** 20;
const sizes = { root: 2 * MiB, verity: MiB, rw: 2 * MiB, swap: MiB };

describe("hal verify", () => {
  let dir = "";
  const at = (name: string): string => join(dir, name);
  const json = async <T>(name: string): Promise<T> => JSON.parse(await readFile(at(name), "utf8")) as T;
  /** The partitions of the disk as hal makes them. */
  const genuine = (verity: Uint8Array): DiskPart[] => [
    { ...devParts.root, size: sizes.root, content: data() },
    { ...devParts.verity, size: sizes.verity, content: verity },
    { ...devParts.rw, size: sizes.rw },
    { ...devParts.swap, size: sizes.swap },
  ];
  const digests = (files: Readonly<Record<string, Uint8Array | string>>): FileDigest[] =>
    Object.entries(files).map(([name, bytes]) => ({ name, size: Buffer.byteLength(bytes), sha256: sha256(bytes) }));

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), "hal-verify-"));
    const resolved = await resolve("dev");
    const { layout } = resolved;
    if (layout.rw === undefined || layout.swap === undefined) throw new Error("layout hardened has rw and swap");
    const small = { root: { type: "verity", size: "2M" }, rw: { ...layout.rw, size: "2M" }, swap: { size: "1M" } } as const;
    await writeFile(at("rootfs.ext4"), data());
    const { root, tree } = await hashTree(chunks(data(), 300 * BLOCK), salt);
    const verity = Buffer.concat([superblock(300), tree]);
    const files: Record<string, Uint8Array | string> = {
      bzImage: buildPe([{ name: ".text", data: Buffer.from("kernel") }]),
      "initramfs.cpio.zst": "initrd",
      "rootfs.ext4": data(),
      "rootfs.verity": verity,
      "rootfs.roothash": `${root}\n`,
      "disk.img": buildDisk(genuine(verity)),
    };
    const launch = describeLaunch(resolved, digests(files), `${resolved.cmdline.join(" ")} roothash=${root}`);
    for (const [name, bytes] of Object.entries(files)) await writeFile(at(name), bytes);
    files["launch.json"] = canonicalJson(launch);
    files["measurements.json"] = canonicalJson(toMeasurements(await measure(launchRequest(launch, dir))));
    const promises = { init: "busybox", ssh: false, hostAml: "runs", layout: { ...layout, ...small } } as const;
    const manifest = manifestOf({ artifacts: digests(files), promises });
    files["manifest.json"] = canonicalJson(manifest);
    for (const [name, bytes] of Object.entries(files)) await writeFile(at(name), bytes);
  });
  afterEach(() => rm(dir, { recursive: true, force: true }));

  /** Changes a file and its digest in the manifest, as a dishonest publisher can. */
  async function forge(name: string, change: (bytes: Buffer) => Uint8Array | string): Promise<void> {
    const bytes = change(await readFile(at(name)));
    await writeFile(at(name), bytes);
    const manifest = await json<Manifest>("manifest.json");
    const artifacts = manifest.artifacts.map((entry) => (entry.name === name ? (digests({ [name]: bytes })[0] ?? entry) : entry));
    await writeFile(at("manifest.json"), canonicalJson({ ...manifest, artifacts }));
  }
  /** Changes the disk, its digest in the manifest, and its digest in launch.json. */
  async function forgeDisk(change: (bytes: Buffer) => Uint8Array): Promise<void> {
    await forge("disk.img", change);
    const bytes = await readFile(at("disk.img"));
    await edit<Launch>("launch.json", (launch) => ({
      ...launch,
      drives: launch.drives.map((drive) => ({ ...drive, size: bytes.length, sha256: sha256(bytes) })),
    }));
  }
  const edit = <T>(name: string, change: (value: T) => unknown): Promise<void> =>
    forge(name, (bytes) => canonicalJson(change(JSON.parse(bytes.toString("utf8")) as T)));
  const flip = (offset: number) => (bytes: Buffer) => {
    bytes.writeUInt8(bytes.readUInt8(offset) ^ 1, offset);
    return bytes;
  };
  const failedOfDisk = async (): Promise<string[]> =>
    (await verifyDisk(dir, await json<Manifest>("manifest.json"), await json<Launch>("launch.json")))
      .filter(({ ok }) => !ok)
      .map(({ what }) => what);
  const failed = async (): Promise<string[]> => (await verifyOutput(dir)).filter(({ ok }) => !ok).map(({ what }) => what);

  test("passes for the output of a build", async () => {
    const findings = await verifyOutput(dir);
    expect(findings.filter(({ ok }) => !ok)).toEqual([]);
    expect(findings.length).toBeGreaterThan(15);
  });

  test("fails for one changed byte in any file", async () => {
    for (const { name } of (await json<Manifest>("manifest.json")).artifacts) {
      const before = await readFile(at(name));
      await writeFile(at(name), flip(before.length - 2)(Buffer.from(before)));
      expect(await failed()).toContain(name);
      await writeFile(at(name), before);
    }
  });

  test("fails for a root that does not match the measured root hash", async () => {
    await forge("rootfs.ext4", flip(5000));
    expect(await failed()).toEqual([
      "roothash= on the command line matches rootfs.ext4",
      "rootfs.roothash matches rootfs.ext4",
      "rootfs.verity is the hash tree of rootfs.ext4",
      "disk.img: partition root contains rootfs.ext4",
    ]);
  });

  test("names a huge sparse root at once, and a huge root hash", async () => {
    const found = async () =>
      (await verifyRoot(dir, await json<Manifest>("manifest.json"), await json<Launch>("launch.json"))).filter(({ ok }) => !ok);
    await truncate(at("rootfs.ext4"), 2 ** 42);
    expect(await found()).toMatchObject([{ what: "rootfs.verity covers rootfs.ext4", found: "20480 bytes" }]);
    await writeFile(at("rootfs.ext4"), data());
    await truncate(at("rootfs.roothash"), 600 * 2 ** 20);
    await expect(found()).rejects.toMatchObject({ kind: "input", at: { file: at("rootfs.roothash") } });
  });

  test.each(["roothash=", "systemd.roothash=", "x-roothash=", '"a roothash=', "-- roothash="])(
    "fails for a second text %s",
    async (more) => {
      await edit<Launch>("launch.json", (launch) => ({ ...launch, cmdline: `${launch.cmdline} ${more}${"0".repeat(64)}` }));
      expect(await failed()).toEqual(
        expect.arrayContaining(["launch.json: kernel command line", "roothash= on the command line matches rootfs.ext4"]),
      );
    },
  );

  test.each([
    "console=ttyS0",
    "rdinit=/bin/sh",
    "init=/bin/sh",
    "systemd.unit=rescue.target",
    "mitigations=off",
    "panic=0",
    "nosuch.parameter=1",
  ])("fails for the kernel parameter %s, although it is measured", async (more) => {
    const whole = await json<Launch>("launch.json");
    const launch = { ...whole, cmdline: `${more} ${whole.cmdline}` };
    const described = { ...launch, argv: launch.argv.map((word) => (word === whole.cmdline ? launch.cmdline : word)) };
    await forge("launch.json", () => canonicalJson(described));
    await forge("measurements.json", () => "{}");
    const measurements = canonicalJson(toMeasurements(await measure(launchRequest(described, dir))));
    await forge("measurements.json", () => measurements);
    expect(await failed()).toEqual(["launch.json: kernel command line"]);
  });

  test("fails for a console when only launch.json calls the image a debug image", async () => {
    await edit<Launch>("launch.json", (launch) => ({ ...launch, debug: true, cmdline: `console=ttyS0 ${launch.cmdline}` }));
    expect(await failed()).toContain("launch.json: kernel command line");
  });

  test("fails for a changed byte in a block of zeros", async () => {
    await forge("rootfs.ext4", flip(3 * BLOCK + 7));
    expect(await failed()).toContain("roothash= on the command line matches rootfs.ext4");
  });

  test("fails for changed contents of a partition or a changed partition table", async () => {
    const whole = await readFile(at("disk.img"));
    const start = { root: MiB, verity: 3 * MiB, rw: 4 * MiB, swap: 6 * MiB };
    for (const [offset, what] of [
      [start.root + 300 * BLOCK - 1, "root contains rootfs.ext4"],
      [start.root + 300 * BLOCK, "root contains rootfs.ext4"],
      [start.verity, "verity contains rootfs.verity"],
      [start.verity + sizes.verity - 1, "verity contains rootfs.verity"],
      [start.rw, "rw contains zeros at both ends"],
      [start.rw + sizes.rw - 1, "rw contains zeros at both ends"],
      [start.swap + 4096 - 10, "swap contains zeros at both ends"],
    ] as const) {
      await writeFile(at("disk.img"), flip(offset)(Buffer.from(whole)));
      expect(await failedOfDisk(), `${offset}`).toEqual([`disk.img: partition ${what}`]);
    }
    await forgeDisk(() => flip(1024 + 56)(Buffer.from(whole))); // the name of the first partition: so the table's checksum is wrong
    expect(await failed()).toEqual(["disk"]);
    await forgeDisk(() => flip(whole.length - 512 * 33 + 56)(Buffer.from(whole)));
    expect(await failed()).toEqual(["disk.img: backup partition table"]);
    await forgeDisk(() => flip(450)(Buffer.from(whole))); // the type of the protective record: Linux would read the MBR
    expect(await failed()).toEqual(["disk"]);
  });

  const forged = { ...devParts.rw, partuuid: "11111111-2222-8333-8444-555555555555" };
  const other = (part: DiskPart, size = MiB): DiskPart => ({ ...part, size, content: Buffer.from("forged") });
  /** Disks that differ from the genuine one in their partitions, although the named partitions have the right bytes. */
  test.each<[string, (parts: DiskPart[]) => Buffer]>([
    [
      "extra partitions that take the PARTUUIDs of root and hash tree",
      ([root, verity, ...rest]) =>
        buildDisk([
          { ...(root as DiskPart), partuuid: forged.partuuid },
          { ...(verity as DiskPart), partuuid: "11111111-2222-8333-8444-666666666666" },
          ...rest,
          other({ ...devParts.root, name: "data1", size: 0 }),
          other({ ...devParts.verity, name: "data2", size: 0 }),
        ]),
    ],
    ["two partitions with the PARTUUID of root", (parts) => buildDisk([...parts, other({ ...devParts.root, size: 0 })])],
    ["one partition too many", (parts) => buildDisk([...parts, other({ ...forged, name: "data", size: 0 })])],
    ["a partition too many in the last entry", (parts) => buildDisk([...parts, { ...other({ ...forged, size: 0 }), slot: 127 }])],
    ["no swap partition", (parts) => buildDisk(parts.slice(0, 3))],
    ["another order of the entries", (parts) => buildDisk(parts.map((part, index) => ({ ...part, slot: 3 - index })))],
    ["another type", (parts) => buildDisk(parts.map((part) => (part.name === "rw" ? { ...part, type: devParts.root.type } : part)))],
    ["another name", (parts) => buildDisk(parts.map((part) => (part.name === "rw" ? { ...part, name: "RW" } : part)))],
    ["a smaller read-write partition", (parts) => buildDisk(parts.map((part) => (part.name === "rw" ? { ...part, size: MiB } : part)))],
    ["an attribute", (parts) => buildDisk(parts, (entries) => entries.writeUInt8(4, 48))],
    ["bytes after a name", (parts) => buildDisk(parts, (entries) => entries.writeUInt8(4, 127))],
    ["bytes in an unused entry", (parts) => buildDisk(parts, (entries) => entries.writeUInt8(4, 128 * 100 + 20))],
  ])("fails for a disk with %s", async (_, disk) => {
    const verity = await readFile(at("rootfs.verity"));
    await writeFile(at("disk.img"), disk(genuine(verity)));
    const found = await failedOfDisk();
    expect(found.filter((what) => /^disk\.img: (?:partitions|no other bytes in the partition table)$/.test(what))).not.toEqual([]);
  });

  test("reports a forged disk whose digests are right", async () => {
    const verity = await readFile(at("rootfs.verity"));
    await forgeDisk(() => buildDisk([...genuine(verity), other({ ...forged, size: 0 })]));
    expect(await failed()).toEqual(["disk.img: partitions", "disk.img: no other bytes in the partition table"]);
  });

  test("fails for a disk in which partitions overlap", async () => {
    const verity = await readFile(at("rootfs.verity"));
    const parts = genuine(verity).map((part) => (part.name === "swap" ? { ...part, start: 5 * MiB } : part));
    await forgeDisk(() => buildDisk(parts));
    expect(await failed()).toEqual(["disk"]);
  });

  test("fails when another drive than disk.img starts, or none of the layout's files exists", async () => {
    const whole = await readFile(at("launch.json"));
    await edit<Launch>("launch.json", (launch) => ({
      ...launch,
      drives: launch.drives.map((drive) => ({ ...drive, path: "rootfs.ext4" })),
    }));
    expect(await failed()).toContain("launch.json: drives");
    await forge("launch.json", () => whole);
    const manifest = await json<Manifest>("manifest.json");
    await writeFile(at("manifest.json"), canonicalJson({ ...manifest, promises: undefined }));
    expect(await failed()).toEqual(["manifest.json"]);
    const ram = { ...manifest.promises, layout: { ...manifest.promises?.layout, root: { type: "ram", size: "1G" } } };
    await writeFile(at("manifest.json"), canonicalJson({ ...manifest, promises: ram }));
    expect(await failed()).toEqual(["layout hardened: rootfs.ext4", "layout hardened: disk.img", "launch.json: drives"]);
  });

  test("fails for a changed hash tree", async () => {
    await forge("rootfs.verity", flip(BLOCK + 3));
    expect(await failed()).toContain("rootfs.verity is the hash tree of rootfs.ext4");
  });

  test("fails for missing, duplicate or wrong measurements", async () => {
    type Change = (values: Measurements["values"]) => Measurements["values"];
    const values = (change: Change) => edit<Measurements>("measurements.json", (all) => ({ ...all, values: change(all.values) }));
    const whole = await readFile(at("measurements.json"));
    await values(() => []);
    expect(await failed()).toContain("vtpm pcr4 sha256");
    await forge("measurements.json", () => whole);
    await values((list) => list.slice(1));
    expect(await failed()).toEqual(["vtpm pcr2 sha1"]);
    await forge("measurements.json", () => whole);
    await values(([first, ...rest]) => (first === undefined ? [] : [{ ...first, value: "0".repeat(40) }, first, ...rest]));
    expect(await failed()).toEqual(["measurements.json"]);
    await forge("measurements.json", () => whole);
    await edit<Measurements>("measurements.json", (all) => ({ ...all, notPredicted: [] }));
    expect(await failed()).toEqual(["measurements.json: notPredicted"]);
  });

  test("fails for launch metadata of another image", async () => {
    const whole = await readFile(at("launch.json"));
    await edit<Launch>("launch.json", (launch) => ({ ...launch, argv: [...launch.argv, "-monitor", "stdio"] }));
    expect(await failed()).toEqual(["launch.json: argv"]);
    await forge("launch.json", () => whole);
    await edit<Launch>("launch.json", (launch) => ({ ...launch, kernel: { ...launch.kernel, sha256: "0".repeat(64) } }));
    expect(await failed()).toEqual(["launch.json: bzImage"]);
    await forge("launch.json", () => whole);
    await edit<Launch>("launch.json", (launch) => ({ ...launch, debug: true, platform: "sev" }));
    expect(await failed()).toContain("launch.json: profile and platform");
  });

  test("reports a missing file and goes on", async () => {
    await rm(at("bzImage"));
    await rm(at("rootfs.verity"));
    expect(await failed()).toEqual(["bzImage", "rootfs.verity", "root", "disk", "measurements.json"]);
  });

  test("refuses a manifest that names files outside of its directory", async () => {
    await edit<Manifest>("manifest.json", (all) => ({ ...all, artifacts: digests({ "../passwd": "" }) }));
    await expect(verifyOutput(dir)).rejects.toMatchObject({ kind: "input", at: { file: at("manifest.json") } });
  });
});
