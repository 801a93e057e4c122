import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { bootsKernel } from "../../src/launch/kvm.js";
import { chooseAccel, cpuFor, type RunImageOptions, runImage } from "../../src/launch/run.js";
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
  note: () => {},
  ...more,
});

describe("hal run", () => {
  test("--print gives the command with the paths of this folder", async () => {
    const { text } = await runImage(dir, options({ shares: { env_share: "/env" } }));
    expect(text).toContain(`-kernel ${dir}/bzImage`);
    expect(text).toContain("path=/env");
    expect(text).toContain("sev-snp-guest");
    expect(text).toContain("-enable-kvm");
  });

  test("--print says which words of the command are for the reader to fill in", async () => {
    const notes: string[] = [];
    await runImage(dir, options({ shares: { env_share: "/env" }, note: (text) => notes.push(text) }));
    expect(notes).toEqual(["${CERTS_PATH} stands for the directory of share certs_share: --share certs_share=PATH"]);
    notes.length = 0;
    await runImage(dir, options({ format: "shell", note: (text) => notes.push(text) }));
    expect(notes).toEqual([]);
  });

  test("--platform none --accel tcg leaves the TEE out and needs no KVM", async () => {
    const { text } = await runImage(dir, options({ withoutTee: true, accel: "tcg" }));
    expect(text).not.toMatch(/sev|igvm|memfd|enable-kvm/);
    expect(text).toContain("-accel tcg,thread=single");
    expect(text).toContain("-cpu max,-cx16");
  });

  test("a TEE without KVM says what to do instead", async () => {
    await expect(runImage(dir, options({ print: false, accel: "tcg" }))).rejects.toMatchObject({
      kind: "input",
      remedy: expect.stringContaining("--platform none"),
    });
  });

  test("what launch.json starts must be there before anything is started", async () => {
    const start = options({ print: false, accel: "tcg", withoutTee: true });
    await expect(runImage(dir, start)).rejects.toMatchObject({ kind: "input", at: { file: join(dir, "bzImage") } });
    await writeFile(join(dir, "bzImage"), "");
    await expect(runImage(dir, start)).rejects.toMatchObject({ kind: "input", at: { file: join(dir, "rootfs.cpio.gz") } });
    await rm(join(dir, "bzImage"));
  });

  test("an enclave where there is no nitro-cli says where to get it", async () => {
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
    { shares: { env_share: `/x/${placeholder({ tag: "env_share" })}` }, message: /stands for a variable/ },
  ])("refuses $shares", async ({ shares, message }) => {
    await expect(runImage(dir, options({ shares }))).rejects.toThrow(message);
  });

  test("a folder without launch.json, and a launch.json that somebody changed", async () => {
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
  test("auto is not KVM where nothing boots under it, and the answer is kept", async () => {
    const cache = await mkdtemp(join(tmpdir(), "hal-cache-"));
    const before = process.env.HAL_CACHE;
    process.env.HAL_CACHE = cache;
    try {
      const kernel = join(dir, "bzImage"); // of the fixture: no kernel
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

  test("a cache that cannot be written keeps nobody from starting", async () => {
    const before = process.env.HAL_CACHE;
    process.env.HAL_CACHE = join(dir, "launch.json/cache");
    try {
      expect(["kvm", "tcg"]).toContain(await chooseAccel("auto", join(dir, "bzImage")));
    } finally {
      if (before === undefined) delete process.env.HAL_CACHE;
      else process.env.HAL_CACHE = before;
    }
  });

  test("TCG has no host model; KVM without TEE takes the host's", async () => {
    const tdx = withoutTee(await launchOf("tdx"));
    expect((await cpuFor(tdx, "tcg")).cpuModel).toMatch(/^max(,-cx16)?$/);
    expect((await cpuFor(tdx, "tcg")).cpus).toBe(Math.min(4, availableParallelism()));
    expect((await cpuFor(tdx, "kvm")).cpuModel).toBe("host");
    expect(await cpuFor(await launchOf("sev-snp"), "kvm")).toEqual({});
  });
});
