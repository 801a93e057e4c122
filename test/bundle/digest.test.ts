import { createHash } from "node:crypto";
import { mkdtemp, open, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { artifactSha256, digestArtifact } from "../../src/bundle/digest.js";
import { halRoot } from "../../src/lib/paths.js";
import { runCommand } from "../../src/lib/tools.js";

const MiB = 2 ** 20;
const TiB = 2 ** 40;
let disk = "";
let dir = "";
// Not in /tmp, which can be a filesystem that does not report holes.
beforeAll(async () => {
  dir = await mkdtemp(join(halRoot, ".digest-"));
  disk = join(dir, "disk.img");
  await writeFile(disk, "");
  await truncate(disk, 3 * TiB);
  const rest = 3 * 2 ** 31 - 6144 - 2048;
  const table = `label: gpt\nstart=2048, size=2048, name="root"\nstart=4096, size=2048, name="verity"\nstart=6144, size=${rest}, name="rw"\n`;
  await runCommand({ tool: "sfdisk", args: ["-q", disk] }, { input: table });
  await write("root", MiB);
});
afterAll(() => rm(dir, { recursive: true, force: true }));

async function write(text: string, offset: number): Promise<void> {
  const handle = await open(disk, "r+");
  await handle.write(text, offset);
  await handle.close();
}

test("the digest of a large disk covers everything except the partitions that the guest formats", async () => {
  const end = 3 * TiB - MiB;
  const data = [
    [0, 3 * MiB],
    [end, MiB],
  ];
  const handle = await open(disk);
  const hash = createHash("sha256");
  for (const [offset = 0, length = 0] of data) hash.update((await handle.read(Buffer.alloc(length), 0, length, offset)).buffer);
  await handle.close();
  const digest = await digestArtifact(disk, "disk.img");
  expect(digest).toEqual({ name: "disk.img", size: 3 * TiB, data, sha256: hash.digest("hex") });
  expect(await artifactSha256(disk, digest)).toBe(digest.sha256);
  await write("host", 100 * MiB);
  await expect(digestArtifact(disk, "disk.img")).rejects.toMatchObject({ kind: "check", at: { offset: 100 * MiB } });
  await expect(artifactSha256(disk, digest)).rejects.toMatchObject({ kind: "check" });
});

test("the digest of any other file covers the whole file", async () => {
  const file = join(dir, "bzImage");
  await writeFile(file, "kernel");
  const sha256 = createHash("sha256")
    .update(await readFile(file))
    .digest("hex");
  expect(await digestArtifact(file, "bzImage")).toEqual({ name: "bzImage", size: 6, sha256 });
});
