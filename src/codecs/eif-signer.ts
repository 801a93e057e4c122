import { type KeyObject, X509Certificate } from "node:crypto";
import { HalError } from "../lib/errors.js";
import { parseP384Key } from "../lib/p384-key.js";

/** The key and the certificate that sign an EIF, both in PEM. */
export interface EifSigner {
  readonly certificate: string;
  readonly key: string;
}

/**
 * The key of a signer.
 * @throws HalError "input" for a key or certificate that cannot be read, another curve, or a key and certificate that do not match
 */
export function signingKey({ certificate, key: pem }: EifSigner): KeyObject {
  const key = readKey(pem);
  if (!readCertificate(certificate).checkPrivateKey(key)) {
    throw new HalError("input", "signing key: it does not match the signing certificate");
  }
  return key;
}

/** @throws HalError "input" for a text that is not a private key on P-384 */
export function readKey(pem: string): KeyObject {
  const key = parseP384Key(pem);
  if (typeof key === "string")
    throw new HalError("input", `signing key: it ${key}`, { remedy: "make one: openssl ecparam -name secp384r1 -genkey" });
  return key;
}

/** @throws HalError "input" for a text that is not a certificate in PEM */
export function readCertificate(pem: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch (cause) {
    throw new HalError("input", "signing certificate: it is not an X.509 certificate in PEM", { cause });
  }
}
