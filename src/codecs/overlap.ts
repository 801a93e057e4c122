import type { ByteReader } from "../lib/bytes.js";

interface MemoryRange {
  readonly gpa: bigint;
  /** Bytes. */
  readonly size: number;
  /** Offset in the file of the range's declaration. */
  readonly offset: number;
  /** A name for errors. */
  readonly what?: string;
}

/**
 * Refuses ranges of guest memory that overlap. No TEE accepts the same page twice during launch, so such a file has no measurement.
 * The error names the declaration of the range with the higher address.
 */
export function refuseOverlap(reader: ByteReader, structure: string, ranges: readonly MemoryRange[]): void {
  const sorted = ranges.filter(({ size }) => size > 0).sort((a, b) => (a.gpa < b.gpa ? -1 : a.gpa > b.gpa ? 1 : a.offset - b.offset));
  let previous: MemoryRange | undefined;
  for (const range of sorted) {
    if (previous !== undefined && previous.gpa + BigInt(previous.size) > range.gpa) {
      const other = previous.what ?? `0x${previous.gpa.toString(16)} with ${previous.size} bytes`;
      throw reader.error(range.offset, structure, `${range.what ?? "memory"} at 0x${range.gpa.toString(16)} overlaps ${other}`);
    }
    previous = range;
  }
}
