import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, chownSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readLaunch } from "../../src/bundle/documents.js";
import { run } from "../../src/commands/run.js";
import { runImage } from "../../src/launch/run.js";
import { canonicalJson, sha256 } from "../../src/lib/digest.js";
import { launchRequest } from "../../src/measure/from-bundle.js";
import { measure, toMeasurements } from "../../src/measure/measure.js";
import type { Launch } from "../../src/model/generated.js";
import { buildFirmware } from "../codecs/build-firmware.js";
import { launchOf } from "./fixture.js";

const dir = mkdtempSync(join(tmpdir(), "hal-id-block-"));
const at = (name: string) => join(dir, name);
const openssl = (...args: readonly string[]) => execFileSync("openssl", args, { cwd: dir, stdio: ["ignore", "pipe", "ignore"] });
afterAll(() => rmSync(dir, { recursive: true }));

const options = (format: "qemu" | "libvirt") =>
  ({ accel: "auto", print: true, format, shares: {}, forwards: [], monitors: [], note: () => {} }) as const;
const print = async () =>
  (await runImage(dir, { ...options("qemu"), idKeys: { idKey: at("id.pem"), authorKey: at("author.pem") } })).text ?? "";
let text = "";

beforeAll(async () => {
  for (const name of ["id", "author"]) {
    openssl("ecparam", "-name", "secp384r1", "-genkey", "-noout", "-out", `${name}.pem`);
    openssl("ec", "-in", `${name}.pem`, "-pubout", "-out", `${name}.pub`);
  }
  openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "p256.pem");
  openssl("ec", "-in", "id.pem", "-aes128", "-passout", "pass:x", "-out", "encrypted.pem");
  openssl("pkcs8", "-topk8", "-in", "id.pem", "-passout", "pass:x", "-out", "encrypted8.pem");
  writeFileSync(at("firmware.fd"), buildFirmware());
  writeFileSync(at("bzImage"), "kernel");
  writeFileSync(at("initramfs.cpio.gz"), "initrd");
  writeFileSync(at("launch.json"), canonicalJson(await described()));
  text = await print();
});

/** The launch.json for the files in `dir`. */
async function described(profile = "sev-snp", set: readonly string[] = []): Promise<Launch> {
  const digest = (name: string) => sha256(readFileSync(at(name)));
  const launch = await launchOf(profile, set, { firmware: { sha256: digest("firmware.fd") } });
  const real = <T extends { readonly path: string }>(file: T | undefined) => file && { ...file, sha256: digest(file.path) };
  const [kernel, initrd] = [real(launch.kernel), real(launch.initrd)];
  return { ...launch, ...(kernel && { kernel }), ...(initrd && { initrd }) };
}

const property = (name: string): string => new RegExp(`[ ,']${name}=([^, ']+)`).exec(text)?.[1] ?? "";
const bytesOf = (name: string) => Buffer.from(property(name), "base64");

/** Whether OpenSSL verifies the signature {R, S} at an offset of ID_AUTH. Both numbers have 72 bytes, little-endian. */
function verifies(publicKey: string, auth: Buffer, offset: number, signed: Uint8Array): boolean {
  const integer = (start: number) =>
    `INTEGER:0x${Buffer.from(auth.subarray(start, start + 72))
      .reverse()
      .toString("hex")}`;
  writeFileSync(at("asn1"), `asn1=SEQUENCE:rs\n[rs]\nr=${integer(offset)}\ns=${integer(offset + 72)}\n`);
  openssl("asn1parse", "-genconf", "asn1", "-noout", "-out", "signature");
  writeFileSync(at("signed"), signed);
  return spawnSync("openssl", ["dgst", "-sha384", "-verify", publicKey, "-signature", "signature", "signed"], { cwd: dir }).status === 0;
}

/** X ‖ Y of a public key, big-endian. These are the last bytes of its DER form. */
const point = (name: string) => openssl("ec", "-pubin", "-in", name, "-outform", "DER").subarray(-96);

// Offsets: AMD SEV-SNP ABI 56860 revision 1.55, tables "Structure of the ID Block" and "ID Authentication Information Structure".
describe("hal run --id-key", () => {
  test("gives QEMU an ID block with the predicted digest and the launch policy", async () => {
    const block = bytesOf("id-block");
    const { values } = toMeasurements(await measure(launchRequest(await readLaunch(dir), dir, "sev-snp")));
    expect(block.length).toBe(0x60);
    expect(block.toString("hex", 0, 0x30)).toBe(values.find(({ register }) => register === "launchDigest")?.value);
    expect(block.readUInt32LE(0x50)).toBe(1);
    expect(block.readBigUInt64LE(0x58)).toBe(BigInt(property("policy")));
  });

  test("signs the ID block, so that OpenSSL verifies both signatures", () => {
    const block = bytesOf("id-block");
    const auth = bytesOf("id-auth");
    expect(auth.length).toBe(0x1000);
    expect(property("author-key-enabled")).toBe("on");
    expect(verifies("id.pub", auth, 0x40, block)).toBe(true);
    expect(verifies("author.pub", auth, 0x680, auth.subarray(0x240, 0x240 + 0x404))).toBe(true);
    expect(verifies("author.pub", auth, 0x40, block)).toBe(false);
    block.writeUInt8(block.readUInt8(0) ^ 1, 0);
    expect(verifies("id.pub", auth, 0x40, block)).toBe(false);
  });

  test.each([
    ["id.pub", 0x240],
    ["author.pub", 0x880],
  ])("contains the key of %s at the offset where the processor reads it", (name, offset) => {
    const key = Buffer.alloc(0x404);
    key.writeUInt32LE(2, 0);
    const xy = point(name);
    Buffer.from(xy.subarray(0, 48)).reverse().copy(key, 4);
    Buffer.from(xy.subarray(48))
      .reverse()
      .copy(key, 4 + 72);
    const digest = (bytes: Uint8Array) => createHash("sha384").update(bytes).digest("hex");
    expect(digest(bytesOf("id-auth").subarray(offset, offset + 0x404))).toBe(digest(key));
  });

  test("prints the same command each time, and the same ID block for libvirt", async () => {
    expect(await print()).toBe(text);
    const { text: xml } = await runImage(dir, {
      ...options("libvirt"),
      shares: { env_share: dir, certs_share: dir },
      idKeys: { idKey: at("id.pem"), authorKey: at("author.pem") },
    });
    expect(xml).toMatch(/<launchSecurity type="sev-snp"[^>]* authorKey="yes"/);
    expect(xml).toContain(`<idBlock>${property("id-block")}</idBlock>`);
    expect(readFileSync(at("launch.json"), "utf8")).not.toContain("idBlock");
  });

  const signed = (more: object = {}) => runImage(dir, { ...options("qemu"), idKeys: { idKey: at("id.pem") }, ...more });
  const withLaunch = async (launch: Launch, act: () => Promise<void>) => {
    const before = readFileSync(at("launch.json"));
    writeFileSync(at("launch.json"), canonicalJson(launch));
    await act().finally(() => writeFileSync(at("launch.json"), before));
  };

  test.each([
    ["p256.pem", /is not an EC key on P-384/],
    ["id.pub", /is not a private key in PEM/],
    ["encrypted.pem", /is encrypted/],
    ["encrypted8.pem", /is encrypted/],
    ["missing.pem", /does not exist/],
  ])("refuses the key %s, and names its file", async (name, message) => {
    const refused = { kind: "input", message: expect.stringMatching(message), at: { file: at(name) } };
    await expect(signed({ idKeys: { idKey: at(name) } })).rejects.toMatchObject(refused);
    await expect(signed({ idKeys: { idKey: at("id.pem"), authorKey: at(name) } })).rejects.toMatchObject(refused);
  });

  test("refuses a key that others can replace, and a key that is no regular file", async () => {
    const key = at("open.pem");
    writeFileSync(key, readFileSync(at("id.pem")));
    for (const mode of [0o620, 0o602, 0o666]) {
      chmodSync(key, mode);
      await expect(signed({ idKeys: { idKey: key } })).rejects.toMatchObject({
        kind: "input",
        message: expect.stringContaining("other users can write"),
        at: { file: key },
      });
    }
    chmodSync(key, 0o640);
    expect((await signed({ idKeys: { idKey: key } })).text).toContain("id-block=");
    spawnSync("mkfifo", [at("pipe.pem")]);
    await expect(signed({ idKeys: { idKey: at("pipe.pem") } })).rejects.toMatchObject({ kind: "input", message: "is a pipe" });
  });

  test("refuses the key of another user", async (context) => {
    context.skip(process.geteuid?.() !== 0, "only root can give a file to another user");
    const key = at("other.pem");
    writeFileSync(key, readFileSync(at("id.pem")), { mode: 0o600 });
    chownSync(key, 12345, 12345);
    await expect(signed({ idKeys: { idKey: key } })).rejects.toMatchObject({
      kind: "input",
      message: expect.stringContaining("belongs to another user"),
    });
  });

  test("refuses to sign for a file that changed after the build", async () => {
    for (const name of ["bzImage", "initramfs.cpio.gz", "firmware.fd"]) {
      const before = readFileSync(at(name));
      writeFileSync(at(name), Buffer.concat([before, Buffer.from("!")]));
      await expect(signed(), name).rejects.toMatchObject({ kind: "check", at: { file: at(name) } });
      writeFileSync(at(name), before);
    }
    expect((await signed()).text).toContain("id-block=");
  });

  test("refuses to sign a kernel parameter that hal does not know", async () => {
    const launch = await described("sev-snp", ["kernel.cmdline=[nosuch.parameter=1]"]);
    await withLaunch(launch, async () => {
      await expect(signed()).rejects.toMatchObject({
        kind: "check",
        message: expect.stringContaining("'nosuch.parameter=1' is not known"),
      });
    });
  });

  // In QEMU's backends/igvm.c, qigvm_handle_policy replaces policy and ID block of the command line by those of the file.
  test("refuses an IGVM guest, because QEMU ignores its ID block, and a disk, because the digest does not cover it", async () => {
    await withLaunch(await launchOf("sev-snp-ram", [], { firmware: { sha256: sha256("") } }), async () => {
      await expect(signed()).rejects.toThrow(/from the IGVM file, and ignores/);
    });
    await withLaunch(await described("sev-snp", ["boot=uki"]), async () => {
      await expect(signed()).rejects.toThrow(/start any disk/);
    });
  });

  test("is refused together with options that would make it useless", async () => {
    await expect(signed({ withoutTee: true })).rejects.toThrow(/--platform none starts an ordinary machine/);
    const asked = {
      accel: "auto",
      print: true,
      format: "qemu",
      share: [],
      forward: [],
      monitor: [],
      signal: new AbortController().signal,
    } as const;
    await expect(run(dir, { ...asked, authorKey: at("author.pem") })).rejects.toThrow(/--author-key needs --id-key/);
    await expect(run(dir, { ...asked, idKey: at("id.pem"), json: true })).rejects.toThrow(/--json prints launch.json unchanged/);
  });
});
