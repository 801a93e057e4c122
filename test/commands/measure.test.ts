import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { measure } from "../../src/commands/measure.js";
import { canonicalJson } from "../../src/lib/digest.js";
import { guidBytes } from "../../src/lib/guid.js";
import type { Measurements } from "../../src/model/generated.js";
import { buildFirmware } from "../codecs/build-firmware.js";
import { buildPe } from "../codecs/build-pe.js";
import { launchOf } from "../launch/fixture.js";

let dir = "";
const at = (name: string): string => join(dir, name);
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "hal-measure-"));
  await writeFile(at("bzImage"), buildPe([{ name: ".text", data: Buffer.from("kernel") }]));
  await writeFile(at("initramfs.cpio.gz"), gzipSync("initrd"));
  await writeFile(at("firmware.fd"), buildFirmware());
  await writeFile(at("other.fd"), buildFirmware({ apResetEip: 0x80b008 }));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

const own = { sha256: "0".repeat(64), packageVersion: "2025.02-8" };
beforeEach(async () => {
  await writeFile(at("launch.json"), canonicalJson(await launchOf("tdx", [], { firmware: own })));
});

/** Runs `hal measure DIR --json` and returns its output. */
async function measured(options: object): Promise<Measurements> {
  const write = vi.spyOn(process.stdout, "write").mockReturnValue(true);
  try {
    await measure(dir, { initrd: [], nativeZero: false, explain: false, json: true, ...options });
    return JSON.parse(write.mock.calls.map(([text]) => String(text)).join("")) as Measurements;
  } finally {
    write.mockRestore();
  }
}

describe("hal measure DIR with options", () => {
  test("uses the firmware release of launch.json for the firmware of the directory", async () => {
    const { values } = await measured({});
    expect(values.find(({ register }) => register === "rtmr2")?.holdsFor).toMatchObject({ firmwareVersion: "2025.02-8" });
  });

  test("writes measurements.json only if it is missing, and only without options", async () => {
    const file = at("measurements.json");
    await rm(file, { force: true });
    await measured({ memory: "3G" });
    await expect(readFile(file)).rejects.toThrow(/ENOENT/);
    const printed = await measured({});
    expect(JSON.parse(await readFile(file, "utf8"))).toEqual(printed);
    await writeFile(file, "kept");
    await measured({});
    expect(await readFile(file, "utf8")).toBe("kept");
  });

  test("does not use that release for another firmware, and then needs --firmware-version", async () => {
    const { values, notPredicted } = await measured({ firmware: at("other.fd") });
    expect(new Set(values.map(({ register }) => register))).toEqual(new Set(["mrtd"]));
    expect(notPredicted).toContainEqual({ platform: "tdx", register: "rtmr2", why: expect.stringContaining("--firmware-version") });
    const withVersion = await measured({ firmware: at("other.fd"), firmwareVersion: "2025.08" });
    expect(withVersion.values.find(({ register }) => register === "rtmr2")?.holdsFor).toMatchObject({ firmwareVersion: "2025.08" });
  });

  test("does not predict PCR 7 if the variables contain Secure Boot keys, except for another firmware", async () => {
    const key = Buffer.concat([guidBytes("8be4df61-93ca-11d2-aa0d-00e098032b8c"), Buffer.from("PK\0", "utf16le")]);
    await writeFile(at("firmware.vars.fd"), key);
    const firmware = { ...own, vars: { sha256: "0".repeat(64) } };
    await writeFile(at("launch.json"), canonicalJson(await launchOf("dev", ["launch.firmware.path=/x"], { firmware })));
    const why = async (options: object) =>
      (await measured(options)).notPredicted.filter(({ register }) => register === "pcr7").map((entry) => entry.why);
    const keys = [expect.stringContaining("keys")];
    expect(await why({})).toEqual(keys);
    expect(await why({ firmware: at("other.fd"), firmwareVersion: "2025.02" })).not.toEqual(keys);
    await writeFile(at("firmware.vars.fd"), "none");
    expect(await why({})).not.toEqual(keys);
  });

  test("refuses options that change a measurement together with --diff", async () => {
    for (const option of [{ vcpus: "2" }, { memory: "2G" }, { explain: true }, { nativeZero: true }])
      await expect(measured({ diff: dir, ...option })).rejects.toMatchObject({ kind: "input", message: expect.stringContaining("--json") });
  });

  test("measures each number of vCPUs once, in the order of the option", async () => {
    await writeFile(at("launch.json"), canonicalJson(await launchOf("sev-snp", [], { firmware: own })));
    const { values } = await measured({ platform: "sev-snp", vcpus: "4,1,04" });
    expect(values.map(({ holdsFor }) => holdsFor.vcpus)).toEqual([4, 1]);
    await expect(measured({ vcpus: "4097" })).rejects.toMatchObject({ kind: "input", message: expect.stringContaining("1 to 4096") });
  });

  test("refuses --initrd and --cmdline if --kernel names a unified kernel image", async () => {
    const uki = { platform: "vtpm", boot: "uki-kernel", kernel: at("bzImage") };
    for (const part of [{ initrd: [at("initramfs.cpio.gz")] }, { cmdline: "quiet" }])
      await expect(measured({ ...uki, ...part })).rejects.toMatchObject({
        kind: "input",
        message: expect.stringContaining("has no effect"),
      });
    await expect(measured(uki)).rejects.toThrow(/no section .linux/);
  });

  test("refuses --kernel, --initrd and --cmdline for an enclave image", async () => {
    await writeFile(at("launch.json"), canonicalJson(await launchOf("nitro")));
    await writeFile(at("rootfs.cpio.gz"), "initrd");
    await writeFile(at("nitro.eif"), "eif");
    for (const part of [{ kernel: at("bzImage") }, { initrd: [at("initramfs.cpio.gz")] }, { cmdline: "quiet" }])
      await expect(measured(part)).rejects.toMatchObject({
        kind: "input",
        message: expect.stringContaining("an enclave image already contains it"),
      });
  });
});
