import { createPrivateKey, type KeyObject } from "node:crypto";

/** A private key on P-384 from PEM, or the reason why the text is not one: `is encrypted, …`. */
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
