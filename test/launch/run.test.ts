import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { chooseAccel, chooseCpu } from "../../src/launch/host.js";
import { bootsKernel } from "../../src/launch/kvm.js";
import { type RunImageOptions, runImage } from "../../src/launch/run.js";
import { withoutTee } from "../../src/launch/without-tee.js";
import { canonicalJson } from "../../src/lib/digest.js";
import { placeholder } from "../../src/model/shares.js";
import { launchOf } from "./fixture.js";

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
