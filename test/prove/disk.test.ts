import { createHash } from "node:crypto";
import { mkdir, mkdtemp, open, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readDiskGpt } from "../../src/bundle/disk.js";
import { BLOCK } from "../../src/codecs/verity.js";
import { findTool, runCommand } from "../../src/lib/tools.js";
import { DamagedDisk } from "../../src/prove/damage.js";
import { foreignLuks2 } from "../../src/prove/foreign-luks2.js";
import { fileBlock, hashOffset, rootInodeBlock } from "../../src/prove/locate-blocks.js";
import { MARKER } from "../../src/prove/probe.js";
import { scanDisk } from "../../src/prove/scan-disk.js";

const MIB = 2 ** 20;
const RW_UUID = "04322ecb-0b68-8885-8f92-6db290898601";
const table = `label: gpt
start=1MiB, size=2MiB, name=root
size=1MiB, name=verity
size=8MiB, name=rw, uuid=${RW_UUID}
size=2MiB, name=swap
`;

let dir = "";
let disk = "";
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "hal-disk-"));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

async function fresh(name: string): Promise<DamagedDisk> {
  disk = join(dir, name);
  await writeFile(disk, "");
  await truncate(disk, 16 * MIB);
  await runCommand({ tool: "sfdisk", args: ["--quiet", disk] }, { input: table });
  return new DamagedDisk(disk);
}

const sfdisk = async (): Promise<string> => (await runCommand({ tool: "sfdisk", args: ["--dump", disk] })).stdout;

describe("partition table", () => {
  test("is read as sfdisk writes it", async () => {
    const damaged = await fresh("read.img");
    expect(await damaged.partition("rw")).toMatchObject({ partuuid: RW_UUID, name: "rw", start: 4 * MIB, size: 8 * MIB });
  });

  test("has two copies that sfdisk accepts after a change", async () => {
    const damaged = await fresh("edit.img");
    await damaged.editTable((entry) => entry("rw").fill(0));
    const { stderr } = await runCommand({ tool: "sfdisk", args: ["--verify", disk] });
    expect(stderr).toBe("");
    expect(await sfdisk()).not.toContain(RW_UUID.toUpperCase());
    // Without the primary table, sfdisk reads the same from the backup.
    await damaged.wipePrimaryTable();
    const backup = await runCommand({ tool: "sfdisk", args: ["--dump", disk] });
    expect(backup.stderr).toContain("primary GPT table is corrupt");
    expect(backup.stdout).not.toContain(RW_UUID.toUpperCase());
    expect(backup.stdout).toContain('name="swap"');
  });

  test("is refused if it has no signature", async () => {
    disk = join(dir, "none.img");
    await writeFile(disk, Buffer.alloc(MIB));
    const file = await open(disk);
    await expect(readDiskGpt(file, disk)).rejects.toMatchObject({ kind: "input", at: { file: disk, offset: 512 } });
    await file.close();
  });
});

test("flipping a bit changes one bit, and flipping it again restores it", async () => {
  const damaged = await fresh("flip.img");
  const before = await readFile(disk);
  await damaged.flip("verity", 17);
  const after = await readFile(disk);
  expect([...after.keys()].filter((index) => after[index] !== before[index])).toEqual([3 * MIB + 17]);
  await damaged.flip("verity", 17);
  expect((await readFile(disk)).equals(before)).toBe(true);
});

describe("the scan of a disk", () => {
  test("finds nothing in ciphertext", async () => {
    const damaged = await fresh("clean.img");
    const noise = createHash("sha512").update("noise").digest();
    await damaged.write("rw", 0, Buffer.concat(Array.from({ length: 4096 }, () => noise)));
    expect(await scanDisk(disk)).toEqual({ rw: [], swap: [] });
  });

  test.each([0, 4 * MIB - 20, 8 * MIB - MARKER.length])("finds the marker at byte %i of the rw partition", async (offset) => {
    const damaged = await fresh("marker.img");
    await damaged.write("rw", offset, Buffer.from(MARKER));
    expect(await scanDisk(disk)).toEqual({ rw: [`marker at 0x${offset.toString(16)}`], swap: [] });
  });

  test("stops at the end of a partition", async () => {
    const damaged = await fresh("beyond.img");
    await damaged.write("swap", 0, Buffer.from(MARKER));
    expect(await scanDisk(disk)).toEqual({ rw: [], swap: ["marker at 0x0"] });
  });

  test("finds headers of LUKS, ext4 and swap", async () => {
    const damaged = await fresh("headers.img");
    await damaged.write("rw", 0, foreignLuks2());
    await runCommand({ tool: "mkswap", args: [join(dir, "swap")] }).catch(() => {});
    await damaged.write("swap", 4086, Buffer.from("SWAPSPACE2"));
    expect(await scanDisk(disk)).toEqual({ rw: ["luks"], swap: ["swap"] });
    await damaged.write("rw", 0, Buffer.alloc(MIB));
    await damaged.write("rw", 0x438, Buffer.from([0x53, 0xef]));
    expect((await scanDisk(disk)).rw).toEqual(["ext4"]);
  });
});

const veritysetup = (await findTool("veritysetup")) !== undefined;
const cryptsetup = (await findTool("cryptsetup")) !== undefined;

test("cryptsetup accepts the foreign LUKS2 header, with a null cipher", async ({ skip }) => {
  skip(!cryptsetup, "cryptsetup is not installed");
  const image = join(dir, "luks.img");
  await writeFile(image, foreignLuks2());
  await truncate(image, 20 * MIB);
  const { stdout } = await runCommand({ tool: "cryptsetup", args: ["luksDump", image] });
  expect(stdout).toMatch(/0: crypt\n.*\n.*\n\s+cipher: cipher_null-ecb/);
  expect(stdout).toMatch(/0: luks2\n(.*\n)*?\s+Cipher:\s+cipher_null-ecb/);
});

describe("blocks of a verified root", () => {
  const image = (): string => join(dir, "root.ext4");
  const content = Buffer.alloc(3 * BLOCK, "init");

  beforeAll(async () => {
    const tree = join(dir, "tree");
    await mkdir(join(tree, "usr/sbin"), { recursive: true });
    await writeFile(join(tree, "usr/sbin/real"), content);
    await runCommand({ tool: "ln", args: ["-s", "../sbin/real", join(tree, "usr/sbin/init")] });
    await runCommand({ tool: "ln", args: ["-s", "usr/sbin", join(tree, "sbin")] });
    await runCommand({ tool: "mke2fs", args: ["-q", "-t", "ext4", "-b", String(BLOCK), "-d", tree, image(), "80M"] });
  });

  test("the first block of a program behind symbolic links", async () => {
    const block = await fileBlock(image(), "/sbin/init");
    const bytes = (await readFile(image())).subarray(block * BLOCK, (block + 1) * BLOCK);
    expect(bytes.equals(content.subarray(0, BLOCK))).toBe(true);
  });

  test("the block of the root directory's inode: a directory, mode 0755", async () => {
    const block = await rootInodeBlock(image());
    // Inode 2 is the second of its table; i_mode is its first field (Linux Documentation/filesystems/ext4/inodes.rst).
    expect((await readFile(image())).readUInt16LE(block * BLOCK + 256)).toBe(0o40755);
  });

  test("the hash of a block is where veritysetup writes it", async ({ skip }) => {
    skip(!veritysetup, "veritysetup is not installed");
    const tree = join(dir, "root.verity");
    const salt = "ab".repeat(32);
    await runCommand({ tool: "veritysetup", args: ["format", `--salt=${salt}`, image(), tree] });
    const bytes = await readFile(image());
    const hashes = await readFile(tree);
    for (const block of [0, 127, 128, 16383, 16384, bytes.length / BLOCK - 1]) {
      const hash = createHash("sha256")
        .update(Buffer.from(salt, "hex"))
        .update(bytes.subarray(block * BLOCK, (block + 1) * BLOCK))
        .digest();
      const at = hashOffset(bytes.length / BLOCK, block);
      expect(hashes.subarray(at, at + 32).toString("hex")).toBe(hash.toString("hex"));
    }
  });
});
