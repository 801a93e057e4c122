import { createPublicKey, hash, type KeyObject } from "node:crypto";
import { signP384 } from "../../lib/ecdsa-p384.js";
import { HalError } from "../../lib/errors.js";
import { isP384 } from "../../lib/p384-key.js";

const idBlockVersion = 1;
/** ECDSA P-384 with SHA-384, and the curve's number in a key structure (AMD SEV-SNP ABI 56860, chapter "Digital Signatures"). */
const algorithmP384 = 1;
const curveP384 = 2;
const coordinateSize = 48;
/** R, S, QX and QY are little-endian integers in fields of 72 bytes. */
const fieldSize = 72;
const keySize = 1028;
const signatureSize = 512;

/** Offsets in ID_AUTH, 4096 bytes. */
const idAuth = {
  size: 4096,
  idKeyAlgorithm: 0,
  authorKeyAlgorithm: 4,
  blockSignature: 0x40,
  idKey: 0x240,
  keySignature: 0x680,
  authorKey: 0x880,
};

export interface IdBlockInput {
  /** The predicted launch digest, hex of 48 bytes. */
  readonly launchDigest: string;
  /** Guest policy (AMD SEV-SNP ABI 56860, "Guest Policy"). It must equal `policy` of sev-snp-guest. */
  readonly policy: bigint;
  /** Up to 16 bytes each, zero-padded. */
  readonly familyId?: Uint8Array;
  readonly imageId?: Uint8Array;
  readonly guestSvn?: number;
  /** Private ECDSA P-384 key that signs the ID block. */
  readonly idKey: KeyObject;
  /** Private ECDSA P-384 key that signs the ID key. It requires `author-key-enabled=on` of QEMU. */
  readonly authorKey?: KeyObject;
}

export interface SignedIdBlock {
  /** Base64, for the properties `id-block` and `id-auth` of QEMU's sev-snp-guest. */
  readonly idBlock: string;
  readonly idAuth: string;
  /** Hex SHA-384 of the public keys: ID_KEY_DIGEST and AUTHOR_KEY_DIGEST of the attestation report. */
  readonly idKeyDigest: string;
  readonly authorKeyDigest?: string;
}

/**
 * Makes and signs an ID block. With it, the processor refuses to start any guest but the predicted one (AMD SEV-SNP ABI 56860,
 * SNP_LAUNCH_FINISH, tables "ID Block" and "ID Authentication Information Structure"). The same input gives the same bytes.
 * A kind "input" error for a key that is not on P-384.
 */
export function signIdBlock(input: IdBlockInput): SignedIdBlock {
  const { idKey, authorKey } = input;
  const block = idBlock(input);
  const idPublic = publicKey(idKey, "ID key");
  const auth = Buffer.alloc(idAuth.size);
  auth.writeUInt32LE(algorithmP384, idAuth.idKeyAlgorithm);
  signature(block, idKey).copy(auth, idAuth.blockSignature);
  idPublic.copy(auth, idAuth.idKey);
  const authorPublic = authorKey === undefined ? undefined : publicKey(authorKey, "author key");
  if (authorKey !== undefined && authorPublic !== undefined) {
    auth.writeUInt32LE(algorithmP384, idAuth.authorKeyAlgorithm);
    signature(idPublic, authorKey).copy(auth, idAuth.keySignature);
    authorPublic.copy(auth, idAuth.authorKey);
  }
  return {
    idBlock: block.toString("base64"),
    idAuth: auth.toString("base64"),
    idKeyDigest: hash("sha384", idPublic, "hex"),
    ...(authorPublic === undefined ? {} : { authorKeyDigest: hash("sha384", authorPublic, "hex") }),
  };
}

/** ID_BLOCK, 96 bytes: launch digest, family id, image id, version, guest SVN, policy. */
function idBlock({ launchDigest, policy, familyId, imageId, guestSvn = 0 }: IdBlockInput): Buffer {
  if (!/^[0-9a-f]{96}$/.test(launchDigest)) throw new HalError("input", "ID block: the launch digest is not 96 hex digits");
  if (BigInt.asUintN(64, policy) !== policy)
    throw new HalError("input", `ID block: the policy 0x${policy.toString(16)} is not a number of 64 bits`);
  if (guestSvn >>> 0 !== guestSvn) throw new HalError("input", `ID block: the guest SVN ${guestSvn} is not a number of 32 bits`);
  const block = Buffer.alloc(96);
  block.write(launchDigest, 0, "hex");
  block.set(identifier(familyId, "family id"), 48);
  block.set(identifier(imageId, "image id"), 64);
  block.writeUInt32LE(idBlockVersion, 80);
  block.writeUInt32LE(guestSvn, 84);
  block.writeBigUInt64LE(policy, 88);
  return block;
}

function identifier(bytes: Uint8Array | undefined, what: string): Uint8Array {
  if (bytes !== undefined && bytes.length > 16)
    throw new HalError("input", `ID block: the ${what} has ${bytes.length} bytes, more than 16`);
  return bytes ?? new Uint8Array();
}

/** {u32 curve, QX, QY}, 1028 bytes. */
function publicKey(key: KeyObject, what: string): Buffer {
  if (key.type !== "private" || !isP384(key)) {
    throw new HalError("input", `ID block: the ${what} is not a private ECDSA P-384 key`, {
      remedy: "Make one with `openssl ecparam -name secp384r1 -genkey -noout -out KEY.pem`.",
    });
  }
  const { x = "", y = "" } = createPublicKey(key).export({ format: "jwk" });
  const structure = Buffer.alloc(keySize);
  structure.writeUInt32LE(curveP384, 0);
  littleEndian(Buffer.from(x, "base64url")).copy(structure, 4);
  littleEndian(Buffer.from(y, "base64url")).copy(structure, 4 + fieldSize);
  return structure;
}

/** {R, S}, 512 bytes. */
function signature(data: Uint8Array, key: KeyObject): Buffer {
  const rs = signP384(data, key);
  const structure = Buffer.alloc(signatureSize);
  littleEndian(rs.subarray(0, coordinateSize)).copy(structure, 0);
  littleEndian(rs.subarray(coordinateSize)).copy(structure, fieldSize);
  return structure;
}

function littleEndian(bigEndian: Uint8Array): Buffer {
  return Buffer.from(bigEndian).reverse();
}
