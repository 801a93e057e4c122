import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, verify } from "node:crypto";
import { describe, expect, test } from "vitest";
import { signP384 } from "../../src/lib/ecdsa-p384.js";

/** A private key from its number, in SEC 1 (RFC 5915) without the public part. */
function privateKey(hex: string): KeyObject {
  const der = Buffer.concat([Buffer.from("303e0201010430", "hex"), Buffer.from(hex, "hex"), Buffer.from("a00706052b81040022", "hex")]);
  return createPrivateKey({ key: der, format: "der", type: "sec1" });
}

describe("ECDSA on P-384", () => {
  // RFC 6979, appendix A.2.6, with SHA-384.
  const key = privateKey("6B9D3DAD2E1B8C1C05B19875B6659F4DE23C3B667BF297BA9AA47740787137D896D5724E4C70A825F872C9EA60D2EDF5");
  test.each([
    [
      "sample",
      "94EDBB92A5ECB8AAD4736E56C691916B3F88140666CE9FA73D64C4EA95AD133C81A648152E44ACF96E36DD1E80FABE46",
      "99EF4AEB15F178CEA1FE40DB2603138F130E740A19624526203B6351D0A3A94FA329C145786E679E7B82C71A38628AC8",
    ],
    [
      "test",
      "8203B63D3C853E8D77227FB377BCF7B7B772E97892A80F36AB775D509D7A5FEB0542A7F0812998DA8F1DD3CA3CF023DB",
      "DDD0760448D42D8A43AF45AF836FCE4DE8BE06B485E9B61B827C2F13173923E06A739F040649A667BF3B828246BAA5A5",
    ],
  ])("signs '%s' as RFC 6979 says", (text, r, s) => {
    expect(signP384(Buffer.from(text), key).toString("hex").toUpperCase()).toBe(r + s);
  });

  test("OpenSSL verifies it, of any key, also one that begins with zeros", () => {
    const data = Buffer.from("launch digest");
    const keys = [
      privateKey(`0000${"5a".repeat(46)}`),
      ...Array.from({ length: 20 }, () => generateKeyPairSync("ec", { namedCurve: "P-384" }).privateKey),
    ];
    for (const each of keys) {
      const signature = signP384(data, each);
      expect(signature.length).toBe(96);
      expect(verify("sha384", data, { key: createPublicKey(each), dsaEncoding: "ieee-p1363" }, signature)).toBe(true);
    }
  });
});
