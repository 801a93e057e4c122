import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { cacheAt } from "../../src/backends/debian/cache.js";
import { findFirmware } from "../../src/build/firmware.js";
import { sha256 } from "../../src/lib/digest.js";
import { resolve } from "../../src/resolve/resolve.js";

let dir: string;
const path = process.env.PATH ?? "";
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "hal-firmware-"));
  await mkdir(join(dir, "bin"));
  process.env.PATH = `${join(dir, "bin")}:${path}`;
});
afterEach(async () => {
  process.env.PATH = path;
  await rm(dir, { recursive: true });
});

/** An apt without a network: `update` and `download` fail with the given message, or succeed without one. */
async function apt(update: string, download: string, versions: readonly string[]): Promise<void> {
  const said = (text: string) => (text === "" ? "exit 0" : `echo "${text}" >&2; exit 100`);
  const madison = versions.map((version) => `echo " ovmf-amdsev | ${version} | http://archive sid/main amd64 Packages"`).join("\n");
  const tools = {
    "apt-get": `case "$*" in *update*) ${said(update)} ;; *) ${said(download)} ;; esac`,
    "apt-cache": madison === "" ? "exit 0" : madison,
  };
  for (const [tool, script] of Object.entries(tools)) {
    await writeFile(join(dir, "bin", tool), `#!/bin/sh\n${script}\n`);
    await chmod(join(dir, "bin", tool), 0o755);
  }
}

const find = async (...set: readonly string[]) => {
  const resolved = await resolve("sev-snp", { set: ["debian.mirror=http://archive", ...set] });
  return findFirmware(resolved, { cacheDir: join(dir, "cache"), offline: false, update: false, signal: new AbortController().signal });
};

describe("a firmware package", () => {
  test("of a version that the archive does not have is refused, with the versions that it has", async () => {
    await apt("", "E: Version '1.2-3' for 'ovmf-amdsev' was not found", ["2026.08+ds-2", "2026.02-1"]);
    await expect(find("launch.firmware.version=1.2-3")).rejects.toMatchObject({
      kind: "input",
      message: "suite sid has no ovmf-amdsev 1.2-3: Version '1.2-3' for 'ovmf-amdsev' was not found",
      remedy: "it has 2026.08+ds-2, 2026.02-1",
      at: { file: expect.any(String) },
    });
  });

  test.each([
    ["", "E: Unable to locate package ovmf-amdsev", "bookworm"],
    ["E: The repository 'http://archive nosuch Release' does not have a Release file.", "", "nosuch"],
  ])("of a suite without it is refused, with the suite that has it: %s%s", async (update, download, suite) => {
    await apt(update, download, []);
    await expect(find(`launch.firmware.suite=${suite}`)).rejects.toMatchObject({
      kind: "input",
      message: expect.stringContaining(`suite ${suite} has no ovmf-amdsev: `),
      remedy: "launch.firmware.suite: sid",
    });
  });

  test("that apt cannot fetch for another reason fails with apt's error", async () => {
    await apt("E: Failed to fetch http://archive/dists/sid/InRelease  Could not connect", "", []);
    await expect(find()).rejects.toMatchObject({ kind: "command" });
  });

  test("from the cache is hashed, and a damaged file is downloaded again", async () => {
    await apt("", "E: downloading", []);
    const home = join(cacheAt(join(dir, "cache")).firmware, "sid/ovmf-amdsev/1.2-3");
    const path = join(home, `${sha256("firmware")}.fd`);
    await mkdir(home, { recursive: true });
    await writeFile(path, "firmware");
    const found = { kind: "fd", path, sha256: sha256("firmware"), packageVersion: "1.2-3" };
    expect(await find()).toEqual(found);
    expect(await find("launch.firmware.version=1.2-3")).toEqual(found);
    await writeFile(path, "FIRMWARE");
    for (const set of [[], ["launch.firmware.version=1.2-3"]])
      await expect(find(...set)).rejects.toMatchObject({ kind: "command", details: ["E: downloading"] });
  });
});
