import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { hashTree } from "../../src/codecs/verity.js";
import { describeLaunch } from "../../src/launch/describe.js";
import { canonicalJson, type FileDigest, sha256 } from "../../src/lib/digest.js";
import { guidBytes } from "../../src/lib/guid.js";
import { launchRequest } from "../../src/measure/from-bundle.js";
import { measure, toMeasurements } from "../../src/measure/measure.js";
import type { Launch, Manifest, Measurements } from "../../src/model/generated.js";
import { resolve } from "../../src/resolve/resolve.js";
import { verifyOutput } from "../../src/verify/verify.js";
import { manifestOf } from "../bundle/manifest-fixture.js";
import { buildPe } from "../codecs/build-pe.js";

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

/** A disk with partitions of these bytes. Each one starts at a multiple of 1 MiB. */
function disk(parts: Readonly<Record<string, Uint8Array>>): Buffer {
  const sectors = 2048 * (Object.keys(parts).length * 2 + 2);
  const bytes = Buffer.alloc(sectors * 512);
  const entries = Buffer.alloc(128 * 128);
  for (const [index, [name, content]] of Object.entries(parts).entries()) {
    const first = 2048 * (1 + 2 * index);
    const entry = entries.subarray(index * 128);
    entry.set(guidBytes("0fc63daf-8483-4772-8e79-3d69d8477de4"), 0);
    entry.set(guidBytes(`00000000-0000-8000-8000-00000000000${index}`), 16);
    entry.writeBigUInt64LE(BigInt(first), 32);
    entry.writeBigUInt64LE(BigInt(first + Math.ceil(content.length / 512) - 1), 40);
    entry.write(name, 56, "utf16le");
    bytes.set(content, first * 512);
  }
  const header = bytes.subarray(512, 1024);
  header.write("EFI PART");
  header.writeUInt32LE(0x10000, 8);
  header.writeUInt32LE(92, 12);
  header.writeBigUInt64LE(1n, 24);
  header.writeBigUInt64LE(BigInt(sectors - 1), 32);
  header.writeBigUInt64LE(34n, 40);
  header.writeBigUInt64LE(BigInt(sectors - 34), 48);
  header.writeBigUInt64LE(2n, 72);
  header.writeUInt32LE(128, 80);
  header.writeUInt32LE(128, 84);
  header.writeUInt32LE(crc32(entries), 88);
  header.writeUInt32LE(crc32(header.subarray(0, 92)), 16);
  bytes.set(entries, 1024);
  return bytes;
}

describe("hal verify", () => {
  let dir = "";
  const at = (name: string): string => join(dir, name);
  const json = async <T>(name: string): Promise<T> => JSON.parse(await readFile(at(name), "utf8")) as T;
  const digests = (files: Readonly<Record<string, Uint8Array | string>>): FileDigest[] =>
    Object.entries(files).map(([name, bytes]) => ({ name, size: Buffer.byteLength(bytes), sha256: sha256(bytes) }));

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), "hal-verify-"));
    const resolved = await resolve("dev");
    await writeFile(at("rootfs.ext4"), data());
    const { root, tree } = await hashTree(chunks(data(), 300 * BLOCK), salt);
    const verity = Buffer.concat([superblock(300), tree]);
    const files: Record<string, Uint8Array | string> = {
      bzImage: buildPe([{ name: ".text", data: Buffer.from("kernel") }]),
      "initramfs.cpio.zst": "initrd",
      "rootfs.ext4": data(),
      "rootfs.verity": verity,
      "rootfs.roothash": `${root}\n`,
      "disk.img": disk({ root: data(), verity }),
    };
    const launch = describeLaunch(resolved, digests(files), `${resolved.cmdline.join(" ")} roothash=${root}`);
    for (const [name, bytes] of Object.entries(files)) await writeFile(at(name), bytes);
    files["launch.json"] = canonicalJson(launch);
    files["measurements.json"] = canonicalJson(toMeasurements(await measure(launchRequest(launch, dir))));
    const manifest = manifestOf({ artifacts: digests(files) });
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
  const edit = <T>(name: string, change: (value: T) => unknown): Promise<void> =>
    forge(name, (bytes) => canonicalJson(change(JSON.parse(bytes.toString("utf8")) as T)));
  const flip = (offset: number) => (bytes: Buffer) => {
    bytes.writeUInt8(bytes.readUInt8(offset) ^ 1, offset);
    return bytes;
  };
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

  test("fails for a second root hash, because early boot uses the last one", async () => {
    const other = "0".repeat(64);
    const what = "roothash= on the command line matches rootfs.ext4";
    const whole = await readFile(at("launch.json"));
    for (const more of [`roothash=${other}`, `x-roothash=${other}`, `"a roothash=${other}"`, `-- roothash=${other}`]) {
      await edit<Launch>("launch.json", (launch) => ({ ...launch, cmdline: `${launch.cmdline} ${more}` }));
      expect(await failed(), more).toContain(what);
      await forge("launch.json", () => whole);
    }
  });

  test("fails for a changed byte in a block of zeros", async () => {
    await forge("rootfs.ext4", flip(3 * BLOCK + 7));
    expect(await failed()).toContain("roothash= on the command line matches rootfs.ext4");
  });

  test("fails for changed partitions or a changed partition table", async () => {
    await forge("disk.img", flip(2048 * 512 + 300 * BLOCK - 1));
    expect(await failed()).toContain("disk.img: partition root contains rootfs.ext4");
    await forge("disk.img", flip(3 * 2048 * 512));
    expect(await failed()).toContain("disk.img: partition verity contains rootfs.verity");
    await forge("disk.img", flip(1024 + 56)); // the name of the first partition: so the table's checksum is wrong
    expect(await failed()).toContain("root");
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
    expect(await failed()).toEqual(["bzImage", "rootfs.verity", "root", "measurements.json"]);
  });

  test("refuses a manifest that names files outside of its directory", async () => {
    await edit<Manifest>("manifest.json", (all) => ({ ...all, artifacts: digests({ "../passwd": "" }) }));
    await expect(verifyOutput(dir)).rejects.toMatchObject({ kind: "input", at: { file: at("manifest.json") } });
  });
});
