import { createPrivateKey, type KeyObject } from "node:crypto";
import { p384 } from "@noble/curves/nist.js";

/** A private key on P-384 from PEM, or what the text is instead: `is encrypted`. */
export function parseP384Key(pem: string): KeyObject | string {
  if (/^-----BEGIN ENCRYPTED PRIVATE KEY-----|^Proc-Type: 4,ENCRYPTED/m.test(pem)) return "is encrypted, and hal asks for no passphrase";
  try {
    const key = createPrivateKey(pem);
    return isP384(key) ? key : "is not an EC key on P-384";
  } catch {
    return "is not a private key in PEM";
  }
}

export function isP384(key: KeyObject): boolean {
  return key.asymmetricKeyType === "ec" && key.asymmetricKeyDetails?.namedCurve === "secp384r1";
}

/**
 * ECDSA on P-384 with SHA-384 and the nonce of RFC 6979: the same key and data give the same 96 bytes, r ‖ s, big-endian. OpenSSL takes a
 * random nonce, which would make a signed file differ from build to build.
 * @param key a private key on P-384; the caller has checked that
 */
export function signP384(data: Uint8Array, key: KeyObject): Buffer {
  const { d = "" } = key.export({ format: "jwk" });
  // lowS is Bitcoin's rule against a second valid signature; RFC 6979, OpenSSL and the SEV firmware do not have it.
  return Buffer.from(p384.sign(data, Buffer.from(d, "base64url"), { prehash: true, lowS: false }));
}
