import { mkdir, mkdtemp, rename, rm, stat, symlink, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { checkPublished, recordPublished } from "../../src/build/record.js";
import { canonicalJson, sha256 } from "../../src/lib/digest.js";
import { manifestOf } from "../bundle/manifest-fixture.js";

let dir = "";
let record = "";
const artifacts = ["bzImage", "disk.img"].map((name) => ({ name, size: 6, sha256: sha256("kernel") }));
const manifest = manifestOf({ artifacts });
const kernel = (): string => join(dir, "bzImage");
const check = () => checkPublished(dir, record, manifest);
beforeEach(async () => {
  const out = await mkdtemp(join(tmpdir(), "hal-record-"));
  [dir, record] = [join(out, "p"), join(out, "p.record")];
  await mkdir(dir);
  for (const { name } of artifacts) await writeFile(join(dir, name), "kernel");
  await writeFile(join(dir, "manifest.json"), canonicalJson(manifest));
  await recordPublished(dir, record, manifest);
});
afterEach(() => rm(join(dir, ".."), { recursive: true }));

describe("a published image", () => {
  test("that is unchanged is not hashed", async () => {
    expect(await check()).toEqual({ changed: undefined, hashed: false });
  });

  test("is not accepted without a record, or with a damaged one", async () => {
    for (const text of [undefined, "{", "null", "{}", '{"published": 1}', '{"published": {"files": 1}}']) {
      await rm(record, { force: true });
      if (text !== undefined) await writeFile(record, text);
      expect(await check()).toBeUndefined();
    }
  });

  test("has changed when it is another image that fits its own manifest", async () => {
    const forged = manifestOf({ artifacts: artifacts.map((artifact) => ({ ...artifact, sha256: sha256("KERNEL") })) });
    for (const { name } of artifacts) await writeFile(join(dir, name), "KERNEL");
    await writeFile(join(dir, "manifest.json"), canonicalJson(forged));
    expect(await checkPublished(dir, record, forged)).toMatchObject({ changed: "manifest.json" });
  });

  test("has changed when a link is in the place of an artifact", async () => {
    await rename(kernel(), join(dir, "../other"));
    await symlink("../other", kernel());
    expect(await check()).toMatchObject({ changed: "bzImage" });
  });

  test("has changed when a file has other bytes of the same size, whatever its time says", async () => {
    const { atime, mtime } = await stat(kernel());
    await writeFile(kernel(), "KERNEL");
    await utimes(kernel(), atime, mtime);
    expect(await check()).toMatchObject({ changed: "bzImage" });
  });

  test("has changed when another file takes the place of an artifact, or when one is missing", async () => {
    await writeFile(join(dir, "../other"), "KERNEL");
    await rename(join(dir, "../other"), kernel());
    expect(await check()).toMatchObject({ changed: "bzImage" });
    await rm(kernel());
    expect(await check()).toMatchObject({ changed: "bzImage" });
    await mkdir(kernel());
    expect(await check()).toMatchObject({ changed: "bzImage" });
  });

  test("is unchanged when only times differ", async () => {
    await utimes(kernel(), 0, 0);
    expect(await check()).toEqual({ changed: undefined, hashed: true });
    await recordPublished(dir, record, manifest);
    expect(await check()).toEqual({ changed: undefined, hashed: false });
  });

  test("has changed when its manifest has", async () => {
    const other = manifestOf({ artifacts, debug: true });
    await writeFile(join(dir, "manifest.json"), canonicalJson(other));
    expect(await checkPublished(dir, record, other)).toMatchObject({ changed: "manifest.json" });
  });
});
