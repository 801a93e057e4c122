import type { KeyObject } from "node:crypto";
import { p384 } from "@noble/curves/nist.js";

/**
 * Signs with ECDSA on P-384, SHA-384 and the nonce of RFC 6979, so the same key and data give the same 96 bytes: r ‖ s, big-endian.
 * OpenSSL uses a random nonce, which would make a signed file differ from build to build.
 * @param key a private key on P-384; the caller has checked it
 */
export function signP384(data: Uint8Array, key: KeyObject): Buffer {
  const { d = "" } = key.export({ format: "jwk" });
  // lowS is a rule of Bitcoin that excludes a second valid signature. RFC 6979, OpenSSL and the SEV firmware do not
  // apply it.
  return Buffer.from(p384.sign(data, Buffer.from(d, "base64url"), { prehash: true, lowS: false }));
}
