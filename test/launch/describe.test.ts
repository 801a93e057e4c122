import { describe, expect, test } from "vitest";
import { describeLaunch } from "../../src/launch/describe.js";
import { withoutTee } from "../../src/launch/without-tee.js";
import { canonicalJson } from "../../src/lib/digest.js";
import { runCommand } from "../../src/lib/tools.js";
import { validatePlain } from "../../src/load/schema.js";
import { placeholder } from "../../src/model/shares.js";
import { resolve } from "../../src/resolve/resolve.js";
import { artifacts, launchOf, ownFirmware } from "./fixture.js";

const shipped = ["dev", "nitro", "sev", "sev-snp", "sev-snp-ram", "tdx", "tdx-ram"];
const sha256 = "f".repeat(64);

describe("launch.json", () => {
  test.each(shipped)("%s: matches its schema with and without TEE, and is the same each time", async (profile) => {
    const launch = await launchOf(profile);
    validatePlain(launch, "launch", "launch.json");
    validatePlain(withoutTee(launch), "launch", "launch.json");
    expect(canonicalJson(await launchOf(profile))).toBe(canonicalJson(launch));
    expect(canonicalJson(launch)).not.toContain(process.cwd());
  });

  test("contains size, digest and relative path of each artifact", async () => {
    const launch = await launchOf("sev-snp", [], ownFirmware);
    expect(launch.kernel).toEqual({ path: "bzImage", size: 9_000_000, sha256: "a".repeat(64) });
    expect(launch.initrd?.path).toBe("initramfs.cpio.gz");
    expect(launch.drives).toEqual([
      { id: "disk0", path: "disk.img", size: 2_000_000_000, sha256: "b".repeat(64), format: "raw", snapshot: true },
    ]);
    expect(launch.argv).toContain("bzImage");
    expect(launch.placeholders.map(({ word }) => word)).toEqual(launch.shares.map(placeholder));
  });

  test("contains the measured firmware and its digest", async () => {
    const launch = await launchOf("sev-snp", [], {
      backend: "debian",
      firmware: { sha256, packageVersion: "2026.08+ds-2" },
    });
    validatePlain(launch, "launch", "launch.json");
    expect(launch.backend).toBe("debian");
    expect(launch.firmware).toEqual({
      kind: "bios",
      path: "firmware.fd",
      sha256,
      package: "ovmf-amdsev",
      packageVersion: "2026.08+ds-2",
    });
    expect(launch.argv).toContain("sev-snp-guest,id=sev0,cbitpos=51,reduced-phys-bits=1,kernel-hashes=on");
    expect(launch.measurements).toEqual({
      file: "measurements.json",
      values: [{ platform: "sev-snp", registers: ["launchDigest"] }],
      holdsFor: { firmware: sha256, vcpus: 4, cpuModel: "EPYC-v4", memory: 2 ** 33, guestFeatures: "0x1" },
    });
  });

  test.each([
    { profile: "sev", set: [], values: [{ platform: "sev", registers: ["launchDigest"] }] },
    { profile: "sev", set: ["launch.policy=0x5"], values: [{ platform: "sev-es", registers: ["launchDigest"] }] },
    {
      profile: "sev-snp-ram",
      set: [],
      values: [
        { platform: "sev-snp", registers: ["launchDigest"] },
        { platform: "vtpm", registers: ["pcr4", "pcr9"] },
      ],
    },
    { profile: "tdx", set: [], values: [{ platform: "tdx", registers: ["mrtd", "rtmr1", "rtmr2"] }] },
    { profile: "nitro", set: [], values: [{ platform: "nitro", registers: ["pcr0", "pcr1", "pcr2"] }] },
    { profile: "dev", set: [], values: [] },
  ])("$profile $set: contains the registers that belong to it", async ({ profile, set, values }) => {
    expect((await launchOf(profile, set)).measurements.values).toEqual(values);
  });

  test("sets kernel hashes only if QEMU gets a kernel and the firmware has a table for hashes", async () => {
    expect((await launchOf("sev-snp")).tee?.kernelHashes).toBe(true);
    expect((await launchOf("sev-snp-ram")).tee?.kernelHashes).toBeUndefined();
    expect((await launchOf("sev-snp", ["boot=uki"])).tee?.kernelHashes).toBeUndefined();
  });

  test.each([
    { profile: "sev-snp", set: ["launch.firmware.vars=/x/VARS.fd"], message: /no flash/ },
    { profile: "sev-snp-ram", set: ["launch.firmware.path=/x"], message: /exclude each other/ },
    { profile: "sev", set: ["launch.igvm=/x"], message: /platform sev does not support launch.igvm/ },
    { profile: "dev", set: ["platform=tdx"], message: /needs firmware/ },
    { profile: "dev", set: ["boot=uki"], message: /UEFI/ },
    { profile: "dev", set: ["launch.cpus=3", "launch.threads=2"], message: /multiple of sockets × threads/ },
    { profile: "dev", set: ["launch.maxCpus=7", "launch.threads=2"], message: /maxCpus is 7, not a multiple of sockets × threads/ },
    { profile: "dev", set: ["launch.memorySlots=1", "launch.maxMemory=17T"], message: /launch.maxMemory is 17T: too large/ },
    { profile: "dev", set: ["launch.shares=[{tag: a-b}, {tag: a_b}]"], message: /use the same variable SHARE_A_B_PATH/ },
  ])("refuses $profile $set", async ({ profile, set, message }) => {
    await expect(launchOf(profile, set)).rejects.toThrow(message);
  });

  test("accepts a kernel command line of 2047 bytes with roothash=, and refuses a longer one", async () => {
    const launchWith = (last: string) =>
      launchOf("dev", [`kernel.cmdline=[${["a", "b", "c", "d", "e", "f", "g"].map((letter) => letter.repeat(256))},${last}]`]);
    const { cmdline } = await launchWith("h");
    const room = 2047 - `${cmdline} roothash=${sha256}`.length;
    await launchWith("h".repeat(1 + room));
    await expect(launchWith("h".repeat(2 + room))).rejects.toThrow("the kernel command line has 2048 bytes, and Linux reads only 2047");
  });

  // A launcher would ignore these settings without a message.
  test.each([
    { profile: "tdx", set: ["launch.policy=0x1"], message: "platform tdx does not support launch.policy" },
    { profile: "sev", set: [`launch.hostData=${"A".repeat(43)}=`], message: "platform sev does not support launch.hostData" },
    {
      profile: "sev",
      set: ["launch.quoteGenerationSocket={cid: 2, port: 4050}"],
      message: "platform sev does not support launch.quoteGenerationSocket",
    },
    { profile: "nitro", set: ["launch.forwards=[{host: 1, guest: 2}]"], message: "platform nitro does not support launch.forwards" },
    { profile: "nitro", set: ["launch.shares=[{tag: env_share}]"], message: "platform nitro does not support launch.shares" },
    { profile: "nitro", set: ["launch.vsock.cid=3"], message: "launch.vsock.cid 3 belongs to the parent instance" },
    { profile: "nitro", set: ["launch.firmware.package=ovmf"], message: "platform nitro does not support launch.firmware" },
    { profile: "sev-snp-ram", set: ["launch.policy=0x30000"], message: "QEMU reads the guest policy from the IGVM file" },
    { profile: "sev-snp", set: ["launch.policy=0x10000"], message: "bit 17 must be 1" },
    { profile: "sev-snp", set: ["launch.policy=0xb0000"], message: "lets the host read and write the guest's memory" },
    { profile: "sev", set: ["launch.policy=0x4"], message: "lets the host read and write the guest's memory" },
    { profile: "sev", set: ["launch.policy=0x100000001"], message: "more than 32 bits" },
  ])("refuses $profile $set with a location", async ({ profile, set, message }) => {
    await expect(launchOf(profile, set)).rejects.toMatchObject({
      kind: "input",
      message: expect.stringContaining(message),
      at: expect.objectContaining({ file: expect.any(String) }),
    });
  });

  test("accepts a policy that lets the host debug the guest only for a debug image", async () => {
    expect((await launchOf("sev-snp", ["launch.policy=0xb0000", "debug=true"])).tee?.policy).toBe("0xb0000");
    expect((await launchOf("sev", ["launch.policy=0x4", "debug=true"])).tee?.policy).toBe("0x4");
    expect((await launchOf("sev-snp", ["launch.policy=0x30000"])).tee?.policy).toBe("0x30000");
  });

  test("writes a topology that includes hotplugged CPUs, as QEMU requires", async () => {
    const launch = await launchOf("dev", ["launch.cpus=3", "launch.maxCpus=8", "launch.sockets=2", "launch.threads=2"]);
    const smp = launch.argv[launch.argv.indexOf("-smp") + 1] ?? "";
    expect(smp).toBe("cpus=3,cores=2,sockets=2,threads=2,maxcpus=8");
    const quit = { input: "{'execute':'qmp_capabilities'}{'execute':'quit'}", allowFailure: true, timeout: 20_000 } as const;
    const args = ["-machine", "q35", "-accel", "tcg", "-m", "64M", "-display", "none", "-S", "-qmp", "stdio", "-smp", smp];
    expect(await runCommand({ tool: "qemu-system-x86_64", args }, quit)).toMatchObject({ exitCode: 0 });
  });

  test("names the missing artifact", async () => {
    const [resolved, nitro] = [await resolve("dev"), await resolve("nitro")];
    expect(() => describeLaunch(resolved, artifacts.hardened.slice(1), "")).toThrow(
      /boots bzImage, and the image directory has no such file/,
    );
    expect(() => describeLaunch(resolved, artifacts.hardened.slice(0, 2), "")).toThrow(
      /boots an initrd, and the image directory has no such file/,
    );
    expect(() => describeLaunch(nitro, artifacts.hardened, "")).toThrow(/boots an EIF/);
  });

  test("the platform, and not the name of an artifact, makes an image an enclave", async () => {
    const eif = { name: "other.eif", size: 1, sha256 };
    expect(describeLaunch(await resolve("dev"), [...artifacts.hardened, eif], "")).toMatchObject({ boot: "direct" });
  });
});

describe("without TEE", () => {
  test("keeps kernel, initrd, command line and disk, and removes the parts for a TEE", async () => {
    const launch = await launchOf("tdx");
    const plain = withoutTee(launch);
    const { kernel, initrd, cmdline, drives, cpu, shares } = launch;
    expect(plain).toMatchObject({ platform: "none", kernel, initrd, cmdline, drives, cpu, shares });
    expect(plain.net?.forwards).toEqual(launch.net?.forwards);
    for (const key of ["tee", "firmware"] as const) expect(plain[key]).toBeUndefined();
    expect(plain.memory.backend).toBeUndefined();
    expect(plain.machine).toEqual({ type: "q35", options: {} });
  });

  test("keeps firmware that boots the disk", async () => {
    expect(withoutTee(await launchOf("tdx", ["boot=uki"], ownFirmware)).firmware?.path).toBe("firmware.fd");
  });
});
