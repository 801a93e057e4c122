import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { canonicalJson } from "../../src/digest.js";
import { measure, toMeasurements } from "../../src/measure/measure.js";
import { requestOf } from "../../src/measure-output.js";
import { runImage } from "../../src/run.js";
import { buildFirmware } from "../measure/build-firmware.js";
import { launchOf } from "./fixture.js";

const dir = mkdtempSync(join(tmpdir(), "hal-id-block-"));
const at = (name: string) => join(dir, name);
const openssl = (...args: readonly string[]) => execFileSync("openssl", args, { cwd: dir, stdio: ["ignore", "pipe", "ignore"] });
afterAll(() => rmSync(dir, { recursive: true }));

const options = (format: "qemu" | "libvirt") => ({ accel: "auto", print: true, format, shares: {}, note: () => {} }) as const;
const print = async () =>
  (await runImage(dir, { ...options("qemu"), idKeys: { idKey: at("id.pem"), authorKey: at("author.pem") } })).text ?? "";
let text = "";

beforeAll(async () => {
  for (const name of ["id", "author"]) {
    openssl("ecparam", "-name", "secp384r1", "-genkey", "-noout", "-out", `${name}.pem`);
    openssl("ec", "-in", `${name}.pem`, "-pubout", "-out", `${name}.pub`);
  }
  const sha256 = "0".repeat(64);
  writeFileSync(at("firmware.fd"), buildFirmware());
  writeFileSync(at("bzImage"), "kernel");
  writeFileSync(at("initramfs.cpio.gz"), "initrd");
  writeFileSync(at("launch.json"), canonicalJson(await launchOf("sev-snp", [], { firmware: { path: "firmware.fd", sha256 } })));
  text = await print();
});

const property = (name: string): string => new RegExp(`[ ,']${name}=([^, ']+)`).exec(text)?.[1] ?? "";
const bytesOf = (name: string) => Buffer.from(property(name), "base64");

/** Whether OpenSSL accepts {R, S} at an offset of ID_AUTH (little-endian, 72 bytes each) as this key's signature of some bytes. */
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

/** X ‖ Y of a public key, big-endian: the end of its DER. */
const point = (name: string) => openssl("ec", "-pubin", "-in", name, "-outform", "DER").subarray(-96);

// Offsets: AMD SEV-SNP ABI 56860 revision 1.55, tables "Structure of the ID Block" and "ID Authentication Information Structure".
describe("hal run --id-key", () => {
  test("gives QEMU an ID block of the predicted digest and the policy that it launches with", async () => {
    const block = bytesOf("id-block");
    const { values } = toMeasurements(await measure(await requestOf(dir, "sev-snp")));
    expect(block.length).toBe(0x60);
    expect(block.toString("hex", 0, 0x30)).toBe(values.find(({ register }) => register === "launchDigest")?.value);
    expect(block.readUInt32LE(0x50)).toBe(1);
    expect(block.readBigUInt64LE(0x58)).toBe(BigInt(property("policy")));
  });

  test("signs it: OpenSSL verifies both signatures with the public key files", () => {
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
  ])("has the key of %s where the processor takes its digest from", (name, offset) => {
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

  test("prints the same each time, also for libvirt", async () => {
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
});
