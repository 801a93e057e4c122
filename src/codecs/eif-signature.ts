import { type KeyObject, verify, X509Certificate } from "node:crypto";
import { ByteReader } from "../lib/bytes.js";
import { parseP384Key, signP384 } from "../lib/ecdsa-p384.js";
import { HalError } from "../lib/errors.js";
import { type Cbor, decodeCbor, encodeCbor } from "./cbor.js";
import type { Eif } from "./eif.js";

/** COSE algorithm -35, ES384: ECDSA on P-384 with SHA-384 (RFC 9053, 2.1); header label 1 is `alg`. */
const protectedHeader = encodeCbor(new Map([[1, -35]]));
const signatureSize = 96;

/** Who signs an EIF, both in PEM. */
export interface EifSigner {
  readonly certificate: string;
  readonly key: string;
}

/** What a signed EIF says about who signed what. */
export interface EifSignature {
  /** PEM. */
  readonly certificate: string;
  /** Hex, as signed. */
  readonly pcr0: string;
}

/**
 * The contents of a signature section: an array of one map with the certificate and a COSE_Sign1 (RFC 9052, 4.2) over PCR 0, untagged, both
 * as arrays of integers because AWS's tool serializes byte vectors so (aws-nitro-enclaves-image-format, src/utils/eif_signer.rs).
 * The same PCR 0, key and certificate give the same bytes. No register measures them.
 */
export function signEif(pcr0: string, signer: EifSigner): Uint8Array {
  const { certificate } = signer;
  const key = signingKey(signer);
  const payload = encodeCbor(
    new Map<string, Cbor>([
      ["register_index", 0],
      ["register_value", [...Buffer.from(pcr0, "hex")]],
    ]),
  );
  const signature = signP384(toBeSigned(payload), key);
  const cose = encodeCbor([protectedHeader, new Map(), payload, signature]);
  return encodeCbor([
    new Map([
      ["signing_certificate", [...Buffer.from(certificate, "utf8")]],
      ["signature", [...cose]],
    ]),
  ]);
}

/**
 * The key of a signer whose certificate is that key's.
 * @throws HalError "input" for a text that is neither, another curve, or two that do not belong together
 */
export function signingKey({ certificate, key: pem }: EifSigner): KeyObject {
  const key = readKey(pem);
  if (!readCertificate(certificate).checkPrivateKey(key)) {
    throw new HalError("input", "signing key: it does not belong to the signing certificate");
  }
  return key;
}

/** Sig_structure of RFC 9052, 4.4. */
function toBeSigned(payload: Uint8Array): Uint8Array {
  return encodeCbor(["Signature1", protectedHeader, new Uint8Array(), payload]);
}

/** @throws HalError "input" for what is no private key on P-384 */
export function readKey(pem: string): KeyObject {
  const key = parseP384Key(pem);
  if (typeof key === "string")
    throw new HalError("input", `signing key: it ${key}`, { remedy: "make one: openssl ecparam -name secp384r1 -genkey" });
  return key;
}

/** @throws HalError "input" for what is no certificate in PEM */
export function readCertificate(pem: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch (cause) {
    throw new HalError("input", "signing certificate: it is not an X.509 certificate in PEM", { cause });
  }
}

/**
 * Reads and verifies the signature of a signed EIF; undefined for an unsigned one. A kind "input" error at its offset if it is malformed,
 * does not verify with its own certificate, or signs another register. Whether the certificate is trusted is the caller's question.
 */
export function readEifSignature(eif: Eif): EifSignature | undefined {
  const { reader, signature: section } = eif;
  if (section === undefined) return undefined;
  const part = reader.sub(section.offset + 12, section.data.length, "EIF signature");
  const fail = (what: string) => part.error(0, "EIF signature", what);
  const list = decodeCbor(part);
  const entry = Array.isArray(list) && list.length === 1 ? list[0] : undefined;
  if (!(entry instanceof Map) || entry.size !== 2) throw fail("it is not an array of one map with certificate and signature");
  const certificate = integers(entry.get("signing_certificate"));
  const cose = integers(entry.get("signature"));
  if (certificate === undefined || cose === undefined) throw fail("certificate and signature are not arrays of bytes");
  // The offsets inside are those of the decoded bytes, not of the file: errors there name the section.
  const parts = decodeNested(cose, fail);
  const [header, unprotected, payload, value] = Array.isArray(parts) && parts.length === 4 ? parts : [];
  if (!(header instanceof Uint8Array && payload instanceof Uint8Array && value instanceof Uint8Array && unprotected instanceof Map)) {
    throw fail("its COSE_Sign1 does not have the four parts of one");
  }
  if (!Buffer.from(header).equals(protectedHeader) || unprotected.size !== 0 || value.length !== signatureSize)
    throw fail("its COSE_Sign1 is not one of ES384");
  const info = decodeNested(payload, fail);
  const pcr0 =
    info instanceof Map && info.size === 2 && info.get("register_index") === 0 ? integers(info.get("register_value")) : undefined;
  if (pcr0?.length !== 48) throw fail("it does not sign PCR 0");
  const pem = certificate.toString("utf8");
  if (!verifies(pem, payload, value)) throw fail("it does not verify with the certificate in it");
  return { certificate: pem, pcr0: pcr0.toString("hex") };
}

function integers(value: Cbor | undefined): Buffer | undefined {
  return Array.isArray(value) && value.every((item) => typeof item === "number" && item >= 0 && item <= 255)
    ? Buffer.from(value)
    : undefined;
}

function decodeNested(bytes: Uint8Array, fail: (what: string) => HalError): Cbor {
  try {
    return decodeCbor(new ByteReader(bytes, "EIF signature"));
  } catch (error) {
    throw error instanceof HalError ? fail(error.message) : error;
  }
}

function verifies(pem: string, payload: Uint8Array, value: Uint8Array): boolean {
  try {
    const key = new X509Certificate(pem).publicKey;
    return key.asymmetricKeyType === "ec" && verify("sha384", toBeSigned(payload), { key, dsaEncoding: "ieee-p1363" }, value);
  } catch {
    // OpenSSL's many ways to refuse a certificate all mean the same here.
    return false;
  }
}
