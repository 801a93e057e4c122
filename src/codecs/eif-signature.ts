import { verify, X509Certificate } from "node:crypto";
import { encode } from "cbor2";
import { ByteReader } from "../lib/bytes.js";
import { signP384 } from "../lib/ecdsa-p384.js";
import { HalError } from "../lib/errors.js";
import { type Cbor, decodeCbor } from "./cbor.js";
import { type Eif, eifLayout } from "./eif.js";
import { type EifSigner, signingKey } from "./eif-signer.js";

/** COSE algorithm -35, ES384: ECDSA on P-384 with SHA-384 (RFC 9053, 2.1). Header label 1 is `alg`. */
const protectedHeader = encode(new Map([[1, -35]]));
const signatureSize = 96;
const pcrSize = 48;

/** The signer and the signed value of an EIF. */
export interface EifSignature {
  /** PEM. */
  readonly certificate: string;
  /** The signed PCR 0, hex. */
  readonly pcr0: string;
}

/**
 * The contents of a signature section: an array of one map with the certificate and a COSE_Sign1 (RFC 9052, 4.2) over
 * PCR 0, untagged. Both are arrays of integers, because AWS's tool serializes bytes in this way
 * (aws-nitro-enclaves-image-format, src/utils/eif_signer.rs). The same PCR 0, key and certificate give the same bytes.
 * @param pcr0 hex
 * @throws HalError "input" as `signingKey` does
 */
export function signEif(pcr0: string, signer: EifSigner): Uint8Array {
  const key = signingKey(signer);
  const payload = encode(
    new Map<string, number | readonly number[]>([
      ["register_index", 0],
      ["register_value", [...Buffer.from(pcr0, "hex")]],
    ]),
  );
  // cbor2 encodes a Uint8Array as bytes, but a Buffer as JSON.
  const signature = Uint8Array.from(signP384(toBeSigned(payload), key));
  const cose = encode([protectedHeader, new Map(), payload, signature]);
  return encode([
    new Map([
      ["signing_certificate", [...Buffer.from(signer.certificate, "utf8")]],
      ["signature", [...cose]],
    ]),
  ]);
}

/** Sig_structure of RFC 9052, 4.4. */
function toBeSigned(payload: Uint8Array): Uint8Array {
  return encode(["Signature1", protectedHeader, new Uint8Array(), payload]);
}

/**
 * Reads and verifies the signature of an EIF; undefined for an unsigned one. Throws a kind "input" error at the offset
 * of the section if the signature is malformed, does not match its certificate, or signs another register. The caller
 * decides whether to trust the certificate.
 */
export function readEifSignature(eif: Eif): EifSignature | undefined {
  const { reader, signature: section } = eif;
  if (section === undefined) return undefined;
  const part = reader.sub(section.offset + eifLayout.sectionHeaderSize, section.data.length, "EIF signature");
  const fail = (what: string) => part.error(0, "EIF signature", what);
  const list = decodeCbor(part);
  const entry = Array.isArray(list) && list.length === 1 ? list[0] : undefined;
  if (!(entry instanceof Map) || entry.size !== 2) throw fail("it is not an array of one map with certificate and signature");
  const certificate = integers(entry.get("signing_certificate"));
  const cose = integers(entry.get("signature"));
  if (certificate === undefined || cose === undefined) throw fail("certificate and signature are not arrays of bytes");
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
  if (pcr0?.length !== pcrSize) throw fail("it does not sign PCR 0");
  const pem = certificate.toString("utf8");
  if (!verifies(pem, payload, value)) throw fail("it does not verify with the certificate in it");
  return { certificate: pem, pcr0: pcr0.toString("hex") };
}

function integers(value: Cbor | undefined): Buffer | undefined {
  return Array.isArray(value) && value.every((item) => typeof item === "number" && item >= 0 && item <= 255)
    ? Buffer.from(value)
    : undefined;
}

/** Decodes bytes inside the section. Offsets in them are not offsets in the file, so an error names the section. */
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
    // OpenSSL reports many errors for an unusable certificate. All of them mean the same here.
    return false;
  }
}
