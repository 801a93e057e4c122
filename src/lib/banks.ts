import { createHash, hash } from "node:crypto";
import { openRegular } from "./regular-file.js";

/** The PCR banks that hal predicts, with the size of a digest in bytes. */
export const bankSizes = { sha1: 20, sha256: 32, sha384: 48 } as const;
export type Bank = keyof typeof bankSizes;
export const banks = Object.keys(bankSizes) as readonly Bank[];

/** A digest for each bank, hex. */
export type BankDigests = Readonly<Record<Bank, string>>;

/** Size and digests of a file. Measuring needs nothing else, so a large initrd is read once and never kept in memory. */
export interface MeasuredFile {
  /** Bytes. */
  readonly size: number;
  readonly digests: BankDigests;
}

/** The digests of the concatenated parts in every bank. */
export function digestsOf(...parts: readonly Uint8Array[]): BankDigests {
  const of = (bank: Bank): string => {
    const digest = createHash(bank);
    for (const part of parts) digest.update(part);
    return digest.digest("hex");
  };
  return { sha1: of("sha1"), sha256: of("sha256"), sha384: of("sha384") };
}

/** Size and digests of a regular file, in one pass and constant memory. */
export async function measureFile(path: string): Promise<MeasuredFile> {
  const digests = banks.map((bank) => createHash(bank));
  let size = 0;
  const { handle } = await openRegular(path);
  try {
    for await (const chunk of handle.createReadStream({ highWaterMark: 1 << 20, autoClose: false })) {
      size += (chunk as Buffer).length;
      for (const digest of digests) digest.update(chunk as Buffer);
    }
  } finally {
    await handle.close();
  }
  const [sha1 = "", sha256 = "", sha384 = ""] = digests.map((digest) => digest.digest("hex"));
  return { size, digests: { sha1, sha256, sha384 } };
}

/**
 * The value of a register (hex) after it is extended with digests (hex) in order: `R = H(R ‖ d)` (TPM 2.0 Library, part 1, "Extend of a
 * PCR").
 * @param initial the value before, hex; zeros by default
 */
export function extendAll(bank: Bank, digests: Iterable<string>, initial = "00".repeat(bankSizes[bank])): string {
  let value = Buffer.from(initial, "hex");
  for (const digest of digests) value = hash(bank, Buffer.concat([value, Buffer.from(digest, "hex")]), "buffer") as Buffer<ArrayBuffer>;
  return value.toString("hex");
}
