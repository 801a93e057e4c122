import { execFileSync } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { forwardOf } from "../../src/commands/run.js";
import { chooseAccel, chooseCpu } from "../../src/launch/host.js";
import { bootsKernel } from "../../src/launch/kvm.js";
import { withoutOtherQuoteService } from "../../src/launch/powers.js";
import { endedByItself, type RunImageOptions, runImage } from "../../src/launch/run.js";
import { withoutTee } from "../../src/launch/without-tee.js";
import { canonicalJson } from "../../src/lib/digest.js";
import { placeholder } from "../../src/model/shares.js";
import { launchOf, ownFirmware } from "./fixture.js";

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "hal-run-test-"));
  await writeFile(join(dir, "launch.json"), canonicalJson(await launchOf("sev-snp-ram")));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

const options = (more: Partial<RunImageOptions> = {}): RunImageOptions => ({
  accel: "auto",
  print: true,
  format: "qemu",
  shares: {},
  forwards: [],
  monitors: [],
  note: () => {},
  ...more,
});

describe("hal run", () => {
  test("--print returns the command with the paths of the image directory", async () => {
    const { text } = await runImage(dir, options({ shares: { env_share: "/env" } }));
    expect(text).toContain(`-kernel ${dir}/bzImage`);
    expect(text).toContain("path=/env");
    expect(text).toContain("sev-snp-guest");
    expect(text).toContain("-enable-kvm");
  });

  test("--print notes each placeholder that the user must replace", async () => {
    const notes: string[] = [];
    await runImage(dir, options({ shares: { env_share: "/env" }, note: (text) => notes.push(text) }));
    expect(notes).toEqual([
      "replace ${FIRMWARE} by the firmware file, or add --firmware FILE",
      "replace ${CERTS_PATH} by the directory of share certs_share, or add --share certs_share=PATH",
    ]);
    notes.length = 0;
    await runImage(dir, options({ format: "shell", note: (text) => notes.push(text) }));
    expect(notes).toEqual([]);
  });

  test("a share named like a property of every object has no directory", async () => {
    const other = await mkdtemp(join(tmpdir(), "hal-run-test-"));
    const launch = await launchOf("dev", ["launch.shares=[{tag: constructor}, {tag: __proto__, type: virtiofs}]"]);
    await writeFile(join(other, "launch.json"), canonicalJson(launch));
    const { text } = await runImage(other, options());
    expect(text).toContain("path=${SHARE_CONSTRUCTOR_PATH}");
    expect(text).toContain("path=${SHARE___PROTO___PATH}");
    const script = (await runImage(other, options({ format: "shell" }))).text;
    expect(script).not.toContain("function Object");
    await expect(runImage(other, options({ format: "libvirt" }))).rejects.toThrow(/share constructor has no directory/);
    await rm(other, { recursive: true });
  });

  test("--platform none --accel tcg starts without TEE and without KVM", async () => {
    const { text } = await runImage(dir, options({ withoutTee: true, accel: "tcg" }));
    expect(text).not.toMatch(/sev|igvm|memfd|enable-kvm/);
    expect(text).toContain("-accel tcg,thread=single");
    expect(text).toContain("-cpu max,-cx16");
  });

  test("refuses a TEE without KVM, and names the remedy", async () => {
    await expect(runImage(dir, options({ print: false, accel: "tcg" }))).rejects.toMatchObject({
      kind: "input",
      remedy: expect.stringContaining("--platform none"),
    });
  });

  test("refuses to start if a file of launch.json is missing", async () => {
    const start = options({ print: false, accel: "tcg", withoutTee: true });
    await expect(runImage(dir, start)).rejects.toMatchObject({ kind: "input", at: { file: join(dir, "bzImage") } });
    await writeFile(join(dir, "bzImage"), "");
    await expect(runImage(dir, start)).rejects.toMatchObject({ kind: "input", at: { file: join(dir, "rootfs.cpio.gz") } });
    await rm(join(dir, "bzImage"));
  });

  test("starts with the ports and monitors of the caller only", async () => {
    const other = await mkdtemp(join(tmpdir(), "hal-run-test-"));
    await writeFile(join(other, "launch.json"), canonicalJson(await launchOf("tdx-ram")));
    for (const name of ["bzImage", "rootfs.cpio.gz"]) await writeFile(join(other, name), "");
    const bin = await mkdtemp(join(tmpdir(), "hal-bin-"));
    const fake =
      '#!/bin/sh\ncase "$1" in --version) echo "version 9.0"; exit;; -help) echo "-sandbox on"; exit;; esac\nprintf "%s\\n" "$@" >"$OUT"\n';
    await writeFile(join(bin, "qemu-system-x86_64"), fake.replace("$OUT", join(bin, "words")), { mode: 0o755 });
    const before = process.env.PATH;
    process.env.PATH = `${bin}:${before}`;
    try {
      const notes: string[] = [];
      const start = (more: Partial<RunImageOptions>) =>
        runImage(other, options({ print: false, withoutTee: true, accel: "tcg", note: (text) => notes.push(text), ...more }));
      const words = async () => (await readFile(join(bin, "words"), "utf8")).split("\n");
      expect((await start({})).ended).toMatchObject({ exitCode: 0 });
      expect(notes.join("\n")).toContain("starting without port 7002 of the guest (to add: --forward 7020:7002)");
      expect((await words()).join(" ")).not.toMatch(/hostfwd|-monitor/);
      for (const word of ["-nodefaults", "-no-user-config", "-sandbox", "mon:stdio"]) expect(await words()).toContain(word);
      await start({ forwards: [{ address: "127.0.0.1", host: 1234, guest: 7002 }], monitors: ["unix:a,b"] });
      expect(await words()).toContain("user,id=nic0_td,hostfwd=tcp:127.0.0.1:1234-:7002");
      expect(await words()).toContain(`unix:${process.cwd().replaceAll(",", ",,")}/a,,b,server,nowait`);
      await expect(start({ print: true, monitors: ["pty"] })).rejects.toMatchObject({
        kind: "input",
        remedy: expect.stringContaining("--monitor"),
      });
    } finally {
      process.env.PATH = before;
      for (const path of [other, bin]) await rm(path, { recursive: true });
    }
  });

  test("connects QEMU only to the usual quote generation service", async () => {
    const notes: string[] = [];
    const usual = await launchOf("tdx");
    expect(withoutOtherQuoteService(usual, (text) => notes.push(text))).toBe(usual);
    expect(notes).toEqual([]);
    const other = await launchOf("tdx", ["launch.quoteGenerationSocket={cid: 3, port: 22}"]);
    expect(withoutOtherQuoteService(other, (text) => notes.push(text)).tee).toEqual({ type: "tdx", id: "tdx" });
    expect(notes.join()).toContain("vsock 3:22");
  });

  test("takes firmware from the caller only where launch.json has a placeholder, and only regular files", async () => {
    const code = join(dir, "code.igvm");
    await writeFile(code, "igvm");
    const { text } = await runImage(dir, options({ firmware: { code } }));
    expect(text).toContain(`igvm-cfg,id=igvm0,file=${code}`);
    execFileSync("mkfifo", [join(dir, "pipe")]);
    await expect(runImage(dir, options({ firmware: { code: join(dir, "pipe") } }))).rejects.toMatchObject({
      kind: "input",
      message: "is a pipe",
    });
    await expect(runImage(dir, options({ firmware: { vars: code } }))).rejects.toThrow(/needs no --firmware-vars/);
    const other = await mkdtemp(join(tmpdir(), "hal-run-test-"));
    await writeFile(join(other, "launch.json"), canonicalJson(await launchOf("sev-snp-ram", [], ownFirmware)));
    await expect(runImage(other, options({ firmware: { code } }))).rejects.toThrow(/it has its own firmware file/);
    await rm(other, { recursive: true });
  });

  test.each([
    [{ exitCode: 0, ending: "guest-shutdown", seconds: 17.2 }, "guest powered off after 17 s"],
    [{ exitCode: 0, ending: "guest-panic", seconds: 3 }, "guest kernel panicked after 3 s"],
    [{ exitCode: 0, ending: "host-signal", seconds: 3 }, undefined],
    [{ exitCode: 0, seconds: 3 }, undefined],
  ] as const)("%j is reported as %s", (ended, text) => {
    expect(endedByItself(ended)).toBe(text);
  });

  test.each([
    ["7020:7002", { address: "127.0.0.1", host: 7020, guest: 7002 }],
    ["0.0.0.0:80:8080", { address: "0.0.0.0", host: 80, guest: 8080 }],
    ["0:7002", undefined],
    ["1:65536", undefined],
    ["::1:1:2", undefined],
    ["host:1:2", undefined],
    ["1.2.3.4,restrict=off:1:2", undefined],
  ])("--forward %s", (word, forward) => {
    if (forward === undefined) expect(() => forwardOf(word)).toThrow(/does not have the form/);
    else expect(forwardOf(word)).toEqual(forward);
  });

  test("refuses an enclave without nitro-cli, and names the package", async () => {
    const other = await mkdtemp(join(tmpdir(), "hal-run-test-"));
    const { kernel: _kernel, initrd: _initrd, ...launch } = await launchOf("nitro");
    await writeFile(join(other, "launch.json"), canonicalJson(launch));
    await writeFile(join(other, "nitro.eif"), "x");
    const notes: string[] = [];
    const started = runImage(other, options({ print: false, note: (text) => notes.push(text) }));
    await expect(started).rejects.toMatchObject({ kind: "tool", remedy: expect.stringContaining("aws-nitro-enclaves-cli") });
    expect(notes).toEqual([]);
    await rm(other, { recursive: true });
  });

  test.each([
    { shares: { other: "/x" }, message: /no share other/ },
    { shares: { env_share: `/x/${placeholder({ tag: "env_share" })}` }, message: /starts a variable/ },
  ])("refuses $shares", async ({ shares, message }) => {
    await expect(runImage(dir, options({ shares }))).rejects.toThrow(message);
  });

  test("refuses a folder without launch.json, and a launch.json that does not match its schema", async () => {
    await expect(runImage(tmpdir(), options())).rejects.toMatchObject({ kind: "input" });
    const other = await mkdtemp(join(tmpdir(), "hal-run-test-"));
    const launch = await launchOf("dev");
    for (const changed of [
      { ...launch, cmdline: "a\nb" },
      { ...launch, cpu: { model: "max,+svm", count: 1 } },
      { ...launch, extra: true },
      { ...launch, monitors: ["unix:a,b"] },
    ]) {
      await writeFile(join(other, "launch.json"), JSON.stringify(changed));
      await expect(runImage(other, options())).rejects.toMatchObject({ kind: "input" });
    }
    await rm(other, { recursive: true });
  });
});

describe("accelerator", () => {
  test("auto selects TCG if the kernel does not boot under KVM, and caches the result", async () => {
    const cache = await mkdtemp(join(tmpdir(), "hal-cache-"));
    const before = process.env.HAL_CACHE;
    process.env.HAL_CACHE = cache;
    try {
      const kernel = join(dir, "bzImage"); // The fixture contains no real kernel.
      expect(await bootsKernel(kernel, "tcg")).toBe(false);
      expect(await chooseAccel("auto", kernel)).toBe("tcg");
      expect(await chooseAccel("auto", kernel)).toBe("tcg"); // from the cache
    } finally {
      if (before === undefined) delete process.env.HAL_CACHE;
      else process.env.HAL_CACHE = before;
      await rm(cache, { recursive: true });
    }
    expect(await chooseAccel("kvm", join(dir, "bzImage"))).toBe("kvm");
  });

  test("auto works without a writable cache", async () => {
    const before = process.env.HAL_CACHE;
    process.env.HAL_CACHE = join(dir, "launch.json/cache");
    try {
      expect(["kvm", "tcg"]).toContain(await chooseAccel("auto", join(dir, "bzImage")));
    } finally {
      if (before === undefined) delete process.env.HAL_CACHE;
      else process.env.HAL_CACHE = before;
    }
  });

  test("TCG uses the CPU model max, and KVM without TEE uses host", async () => {
    const tdx = withoutTee(await launchOf("tdx"));
    expect((await chooseCpu(tdx, "tcg")).cpuModel).toMatch(/^max(,-cx16)?$/);
    expect((await chooseCpu(tdx, "tcg")).cpus).toBe(Math.min(4, availableParallelism()));
    expect((await chooseCpu(tdx, "kvm")).cpuModel).toBe("host");
    expect(await chooseCpu(await launchOf("sev-snp"), "kvm")).toEqual({});
  });
});
