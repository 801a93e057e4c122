import { execFileSync } from "node:child_process";
import { copyFile, cp, mkdir, mkdtemp, readFile, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { measure } from "../../src/commands/measure.js";
import { runImage } from "../../src/launch/run.js";
import { canonicalJson } from "../../src/lib/digest.js";
import type { Launch } from "../../src/model/generated.js";
import { readImage } from "../../src/prove/image.js";
import { verifyOutput } from "../../src/verify/verify.js";
import { fitManifest, forgeLaunch, imageDirectory } from "./image-fixture.js";

// Somebody else made the directory: its manifest and its command always fit what is forged.
let original = "";
let work = "";
let dir = "";
let victim = "";
const at = (name: string): string => join(dir, name);

beforeAll(async () => {
  work = await mkdtemp(join(tmpdir(), "hal-hostile-"));
  victim = join(work, "victim");
  await writeFile(victim, "secret");
  original = await imageDirectory("sev-snp", ["launch.monitors=[pty]"]);
});
afterAll(async () => {
  await rm(work, { recursive: true });
  await rm(original, { recursive: true });
});
beforeEach(async () => {
  dir = join(await mkdtemp(join(work, "image-")), "image");
  await cp(original, dir, { recursive: true });
});

const options = { accel: "tcg", print: true, format: "qemu", shares: {}, forwards: [], monitors: [], note: () => {} } as const;
const failed = async (): Promise<string[]> => (await verifyOutput(dir)).filter(({ ok }) => !ok).map(({ what }) => what);
/** Every command that reads the directory, except hal verify. */
const commands = {
  run: () => runImage(dir, { ...options, print: false, withoutTee: true }),
  print: () => runImage(dir, options),
  measure: () => measure(dir, { initrd: [], nativeZero: false, explain: false, json: true, memory: "8G" }),
  test: () => readImage(dir),
};
const refusedByAll = async (kinds: readonly string[] = ["input", "check"]): Promise<void> => {
  for (const [name, command] of Object.entries(commands)) {
    const error = await command().then(
      () => undefined,
      (reason: unknown) => reason as { kind?: string },
    );
    expect(kinds, name).toContain(error?.kind);
  }
};

test("hal verify accepts the directory as it was built", async () => {
  expect(await failed()).toEqual([]);
});

type Change = (launch: Launch) => object;
const first = ({ shares: [share] }: Launch) => share;
const drive = { id: "disk0", path: "rootfs.cpio.gz", size: 6, sha256: "0".repeat(64), format: "raw", snapshot: true };

describe("launch.json gives itself powers over the host", () => {
  const table: readonly (readonly [string, Change])[] = [
    ["a share with a directory", (launch) => ({ ...launch, shares: [{ ...first(launch), path: "/home/victim" }] })],
    ["a virtiofs socket", (launch) => ({ ...launch, shares: [{ ...first(launch), type: "virtiofs", path: "/run/x.sock" }] })],
    ["a monitor at any path", (launch) => ({ ...launch, monitors: ["unix:/tmp/victim"] })],
    ["a monitor above the directory", (launch) => ({ ...launch, monitors: ["unix:../victim"] })],
    ["a qcow2 disk", (launch) => ({ ...launch, drives: [{ ...drive, format: "qcow2" }] })],
    ["a disk of the host", (launch) => ({ ...launch, drives: [{ ...drive, path: "/dev/sda" }] })],
    ["a disk that the image does not have", (launch) => ({ ...launch, drives: [drive] })],
    ["an absolute kernel", (launch) => ({ ...launch, kernel: { ...launch.kernel, path: "/boot/vmlinuz" } })],
    ["a kernel above the directory", (launch) => ({ ...launch, kernel: { ...launch.kernel, path: "../bzImage" } })],
    ["a path that leaves and returns", (launch) => ({ ...launch, initrd: { ...launch.initrd, path: "a/../../x" } })],
    ["a path with a dot", (launch) => ({ ...launch, kernel: { ...launch.kernel, path: "./bzImage" } })],
    ["the directory itself", (launch) => ({ ...launch, kernel: { ...launch.kernel, path: "." } })],
    ["a protocol of QEMU", (launch) => ({ ...launch, drives: [{ ...drive, path: "nbd:host:1" }] })],
    ["absolute firmware", (launch) => ({ ...launch, firmware: { ...launch.firmware, path: "/usr/share/ovmf/OVMF.fd" } })],
    ["a firmware of the machine", (launch) => ({ ...launch, machine: { ...launch.machine, options: { firmware: "x" } } })],
    ["a dump of the machine", (launch) => ({ ...launch, machine: { ...launch.machine, options: { dumpdtb: "x" } } })],
    ["another machine", (launch) => ({ ...launch, machine: { ...launch.machine, type: "microvm" } })],
    ["another id of the network", (launch) => ({ ...launch, net: { ...launch.net, id: "other" } })],
    ["another id of the memory", (launch) => ({ ...launch, memory: { ...launch.memory, backend: { id: "x", options: {} } } })],
    ["another id of the TEE", (launch) => ({ ...launch, tee: { ...launch.tee, id: "x" } })],
    ["an enormous memory", (launch) => ({ ...launch, memory: { ...launch.memory, size: "999999999T" } })],
    ["a wrong memory in bytes", (launch) => ({ ...launch, memory: { ...launch.memory, bytes: 1 } })],
    ["a CPU model with options", (launch) => ({ ...launch, cpu: { ...launch.cpu, model: "max,+svm" } })],
  ];
  test.each(table)("%s", async (_, change) => {
    await forgeLaunch(dir, change);
    expect((await failed()).join()).toMatch(/launch\.json/);
    await refusedByAll();
  });
});

describe("launch.json weakens what the launch digest does not cover", () => {
  const tee = (more: object) => (launch: Launch) => ({ ...launch, tee: { ...launch.tee, ...more } });
  const firmware = (change: (file: object) => object) => (launch: Launch) => ({ ...launch, firmware: change(launch.firmware ?? {}) });
  const table: readonly (readonly [string, Change])[] = [
    ["a policy with debugging", tee({ policy: "0xb0000" })],
    ["a policy with a migration agent", tee({ policy: "0x70000" })],
    ["a policy without the bit that must be 1", tee({ policy: "0x10000" })],
    ["no kernel hashes", tee({ kernelHashes: false })],
    ["kernel hashes left out", (launch) => tee({ kernelHashes: undefined })(launch)],
    ["an ID block", tee({ idBlock: "A".repeat(128), idAuth: `${"A".repeat(5462)}==` })],
    ["an author key", tee({ authorKeyEnabled: true })],
    ["another kind of firmware", firmware((file) => ({ ...file, kind: "pflash" }))],
    ["firmware as an IGVM file", firmware((file) => ({ ...file, kind: "igvm" }))],
    ["firmware without a digest", firmware(({ sha256: _, ...file }: { sha256?: string }) => file)],
    ["a variable store that nobody lists", firmware((file) => ({ ...file, vars: { path: "firmware.vars.fd" } }))],
    ["a shell instead of init", (launch) => ({ ...launch, cmdline: `console=ttyS0 rdinit=/bin/sh ${launch.cmdline}` })],
  ];
  test.each(table)("%s", async (_, change) => {
    await forgeLaunch(dir, change);
    expect((await failed()).join()).toMatch(/launch\.json|command line/);
    await refusedByAll();
  });

  test.each(["launch.json", "manifest.json", "measurements.json"])("a key twice in %s", async (name) => {
    const file = join(dir, name);
    const text = await readFile(file, "utf8");
    await writeFile(file, text.replace(/^\{/, '{"profile": "other",'));
    if (name !== "manifest.json") await fitManifest(dir);
    const found = await failed().catch((error: Error) => [error.message]);
    expect(found.join()).toMatch(name === "manifest.json" ? /a key twice/ : new RegExp(name));
    if (name === "launch.json") await refusedByAll();
  });

  test("hal signs no ID block with a policy that allows debugging", async () => {
    await forgeLaunch(dir, tee({ policy: "0xb0000" }));
    const idKey = join(work, "id.pem");
    execFileSync("openssl", ["ecparam", "-name", "secp384r1", "-genkey", "-noout", "-out", idKey]);
    await expect(runImage(dir, { ...options, idKeys: { idKey } })).rejects.toMatchObject({
      kind: "check",
      message: expect.stringContaining("lets the host read and write the guest's memory"),
    });
  });

  test("other host data and another policy change what a verifier must expect", async () => {
    for (const more of [{ hostData: `${"B".repeat(43)}=` }, { policy: "0x130000" }]) {
      await forgeLaunch(dir, tee(more));
      expect(await failed()).toEqual(["measurements.json: expect"]);
      await cp(original, dir, { recursive: true });
    }
  });

  test("a file has the size and the digest of the manifest", async () => {
    await forgeLaunch(dir, (launch) => ({ ...launch, kernel: { ...launch.kernel, size: 1 } }));
    expect(await failed()).toEqual(["launch.json: bzImage"]);
  });

  test("a debug image is reported, and its manifest must say so too", async () => {
    await forgeLaunch(dir, (launch) => ({ ...launch, debug: true, tee: { ...launch.tee, policy: "0xb0000" } }));
    expect(await failed()).toContain("launch.json: profile and platform");
    expect(await verifyOutput(dir)).toContainEqual(expect.objectContaining({ what: "debug image" }));
  });

  test("firmware that the launcher gives is reported as not covered", async () => {
    const other = await imageDirectory("sev-snp-ram");
    const findings = await verifyOutput(other);
    expect(findings.filter(({ ok }) => !ok)).toEqual([]);
    expect(findings).toContainEqual(
      expect.objectContaining({ what: "launch.json: firmware file", found: expect.stringContaining("not covered") }),
    );
    await rm(other, { recursive: true });
  });
});

describe("files of the directory", () => {
  test.each(["bzImage", "rootfs.cpio.gz", "firmware.fd", "launch.json", "measurements.json"])("%s is a link", async (name) => {
    await rm(at(name));
    await copyFile(join(original, name), join(work, name));
    await symlink(join(work, name), at(name));
    expect(await verifyOutput(dir)).toEqual([{ what: name, ok: false, expected: "a regular file", found: "is a symbolic link" }]);
    if (name !== "measurements.json" && name !== "firmware.fd") await refusedByAll(["input"]);
    if (name === "firmware.fd") await expect(commands.measure()).rejects.toMatchObject({ kind: "input" });
  });

  test.each(["bzImage", "launch.json", "manifest.json", "rootfs.ext4"])(
    "%s is a pipe, and nothing waits for it",
    async (name) => {
      await rm(at(name), { force: true });
      execFileSync("mkfifo", [at(name)]);
      const result = await verifyOutput(dir).then(
        (findings) => findings,
        (error: { kind?: string }) => error,
      );
      expect(JSON.stringify(result)).toMatch(/is a pipe|"kind":"input"/);
      if (name === "launch.json" || name === "bzImage") await refusedByAll(["input"]);
    },
    10_000,
  );

  test("a socket, a directory and a link that nobody reads are refused too", async () => {
    await mkdir(at("directory"));
    await symlink("/etc", at("link"));
    const socket = createServer();
    await new Promise<void>((listening) => socket.listen(at("socket"), listening));
    expect((await verifyOutput(dir)).map(({ what, found }) => `${what} ${found}`)).toEqual([
      "directory is a directory",
      "link is a symbolic link",
      "socket is a socket",
    ]);
    socket.close();
  });

  test("the directory itself can be reached through a link of the caller", async () => {
    const link = join(work, "link");
    await symlink(dir, link);
    expect((await verifyOutput(link)).filter(({ ok }) => !ok)).toEqual([]);
  });

  test.each(["launch.json", "manifest.json", "measurements.json"])("a %s of 17 MiB is refused before it is read", async (name) => {
    await truncate(at(name), 17 * 2 ** 20);
    if (name !== "manifest.json") await fitManifest(dir);
    const result = await verifyOutput(dir).then(
      (findings) => findings,
      (error: Error) => error.message,
    );
    expect(JSON.stringify(result)).toMatch(/has more than 16777216 bytes/);
  });

  test.each([
    ["nested too deeply", `${"[".repeat(200_000)}${"]".repeat(200_000)}`],
    ["with a number that is infinite", '{"schema":"hal.measurements/v1","values":[],"expect":[],"notPredicted":[],"x":1e400}'],
    ["with an infinite condition", ""],
  ])("JSON %s is refused without a crash", async (_, text) => {
    const whole = await readFile(at("measurements.json"), "utf8");
    await writeFile(at("measurements.json"), text || whole.replace('"vcpus":4', '"vcpus":1e400'));
    await fitManifest(dir);
    expect(await failed()).not.toEqual([]);
  });

  test("a file of the victim does not change", async () => {
    const text = canonicalJson({ ...(JSON.parse(await readFile(at("launch.json"), "utf8")) as Launch), monitors: [`unix:${victim}`] });
    await writeFile(at("launch.json"), text);
    await expect(commands.run()).rejects.toMatchObject({ kind: "input" });
    await cp(original, dir, { recursive: true });
    await expect(runImage(dir, { ...options, print: false, withoutTee: true, monitors: [`unix:${victim}`] })).rejects.toMatchObject({
      kind: "input",
      at: { file: victim },
    });
    expect(await readFile(victim, "utf8")).toBe("secret");
  });
});
