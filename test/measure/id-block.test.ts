import { createHash, createPublicKey, generateKeyPairSync, type KeyObject, verify } from "node:crypto";
import { describe, expect, it } from "vitest";
import { signIdBlock } from "../../src/measure/sev/id-block.js";

const key = (namedCurve = "P-384") => generateKeyPairSync("ec", { namedCurve }).privateKey;
const launchDigest = createHash("sha384").update("launch").digest("hex");
const policy = 0x30000n;

/** R and S of an SNP signature in DER, for a verifier that does not know SNP. */
function der(signature: Uint8Array): Buffer {
  const integer = (littleEndian: Uint8Array) => {
    const value = BigInt(`0x${Buffer.from(littleEndian).reverse().toString("hex")}`).toString(16);
    const bytes = Buffer.from(value.length % 2 === 0 ? value : `0${value}`, "hex");
    const body = (bytes[0] ?? 0) >= 0x80 ? Buffer.concat([Buffer.of(0), bytes]) : bytes;
    return Buffer.concat([Buffer.of(2, body.length), body]);
  };
  const body = Buffer.concat([integer(signature.subarray(0, 72)), integer(signature.subarray(72, 144))]);
  return Buffer.concat([Buffer.of(0x30, body.length), body]);
}

/** The public key inside an SNP key structure, as SubjectPublicKeyInfo. */
function spki(structure: Buffer): KeyObject {
  const big = (at: number) => Buffer.from(structure.subarray(at, at + 48)).reverse();
  const prefix = Buffer.from("3076301006072a8648ce3d020106052b8104002203620004", "hex");
  return createPublicKey({ key: Buffer.concat([prefix, big(4), big(76)]), format: "der", type: "spki" });
}

describe("the signed ID block", () => {
  const idKey = key();
  const authorKey = key();
  const signed = signIdBlock({
    launchDigest,
    policy,
    familyId: Buffer.from("hal"),
    imageId: Buffer.from("sev-snp"),
    guestSvn: 7,
    idKey,
    authorKey,
  });
  const block = Buffer.from(signed.idBlock, "base64");
  const auth = Buffer.from(signed.idAuth, "base64");

  it("is ID_BLOCK of the SEV-SNP ABI", () => {
    expect(block.length).toBe(96);
    expect(block.toString("hex", 0, 48)).toBe(launchDigest);
    expect(block.toString("latin1", 48, 64)).toBe("hal".padEnd(16, "\0"));
    expect(block.toString("latin1", 64, 80)).toBe("sev-snp".padEnd(16, "\0"));
    expect([block.readUInt32LE(80), block.readUInt32LE(84), block.readBigUInt64LE(88)]).toEqual([1, 7, policy]);
  });

  it("has an ID_AUTH whose signatures verify", () => {
    expect(auth.length).toBe(4096);
    expect([auth.readUInt32LE(0), auth.readUInt32LE(4)]).toEqual([1, 1]);
    const idStructure = auth.subarray(0x240, 0x240 + 1028);
    const authorStructure = auth.subarray(0x880, 0x880 + 1028);
    expect([idStructure.readUInt32LE(0), authorStructure.readUInt32LE(0)]).toEqual([2, 2]);
    expect(spki(idStructure).equals(createPublicKey(idKey))).toBe(true);
    expect(spki(authorStructure).equals(createPublicKey(authorKey))).toBe(true);
    expect(verify("sha384", block, createPublicKey(idKey), der(auth.subarray(0x40)))).toBe(true);
    expect(verify("sha384", idStructure, createPublicKey(authorKey), der(auth.subarray(0x680)))).toBe(true);
    expect(verify("sha384", block, createPublicKey(authorKey), der(auth.subarray(0x40)))).toBe(false);
  });

  it("leaves every reserved byte zero", () => {
    const used: readonly (readonly [number, number])[] = [
      [0, 8],
      [0x40, 48],
      [0x40 + 72, 48],
      [0x240, 4 + 48],
      [0x240 + 76, 48],
      [0x680, 48],
      [0x680 + 72, 48],
      [0x880, 4 + 48],
      [0x880 + 76, 48],
    ];
    const rest = Buffer.from(auth);
    for (const [at, size] of used) rest.fill(0, at, at + size);
    expect(rest.every((byte) => byte === 0)).toBe(true);
  });

  it("names the keys as the attestation report does", () => {
    const digest = (structure: Uint8Array) => createHash("sha384").update(structure).digest("hex");
    expect(signed.idKeyDigest).toBe(digest(auth.subarray(0x240, 0x240 + 1028)));
    expect(signed.authorKeyDigest).toBe(digest(auth.subarray(0x880, 0x880 + 1028)));
  });

  it("needs no author key", () => {
    const alone = signIdBlock({ launchDigest, policy, idKey });
    const bytes = Buffer.from(alone.idAuth, "base64");
    expect(alone).not.toHaveProperty("authorKeyDigest");
    expect([bytes.readUInt32LE(0), bytes.readUInt32LE(4)]).toEqual([1, 0]);
    expect(bytes.subarray(0x680).every((byte) => byte === 0)).toBe(true);
  });

  it.each([
    ["a key on another curve", { idKey: key("P-256") }, /the ID key is not a private ECDSA P-384 key/],
    ["a public key", { idKey: createPublicKey(idKey) }, /the ID key is not a private/],
    ["an RSA key", { idKey: generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey }, /the ID key is not a private/],
    ["an author key on another curve", { idKey, authorKey: key("P-256") }, /the author key is not a private/],
    ["a digest that is none", { idKey, launchDigest: "00" }, /not 96 hex digits/],
    ["a policy of 65 bits", { idKey, policy: 1n << 64n }, /the policy 0x10000000000000000/],
    ["a negative policy", { idKey, policy: -1n }, /the policy 0x-1/],
    ["a guest SVN of 33 bits", { idKey, guestSvn: 2 ** 32 }, /the guest SVN 4294967296/],
    ["half a guest SVN", { idKey, guestSvn: 0.5 }, /the guest SVN 0.5/],
    ["a family id of 17 bytes", { idKey, familyId: Buffer.alloc(17) }, /family id has 17 bytes/],
    ["an image id of 17 bytes", { idKey, imageId: Buffer.alloc(17) }, /image id has 17 bytes/],
  ])("refuses %s", (_, change, message) => {
    expect(() => signIdBlock({ launchDigest, policy, ...change })).toThrow(
      expect.objectContaining({ kind: "input", message: expect.stringMatching(message) }),
    );
  });
});
