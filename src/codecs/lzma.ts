import type { ByteReader } from "../lib/bytes.js";

const headerSize = 13;
/** Probabilities have 11 bits and start in the middle. Each bit moves one by 1/32 of the distance (LZMA specification, "Bit model"). */
const half = 1024;
const lengthStates = { choice: 0, choice2: 1, low: 2, mid: 130, high: 258, size: 514 } as const;

/**
 * Decodes an LZMA stream as edk2 writes it: with the 13-byte header, of known size and without an end marker (lzma-specification.txt by
 * Igor Pavlov). A kind "input" error at its offset for data that ends early, refers to bytes before its start, or is larger than `maxSize`.
 */
export function decodeLzma(reader: ByteReader, maxSize: number): Uint8Array {
  const structure = "LZMA stream";
  const properties = reader.u8(0, structure);
  const size = reader.u64(5, structure);
  if (properties >= 9 * 5 * 5) throw reader.error(0, structure, `properties byte 0x${properties.toString(16)}`);
  if (size > BigInt(maxSize)) throw reader.error(5, structure, `${size} bytes when unpacked; at most ${maxSize} are allowed`);
  const lc = properties % 9;
  const lp = Math.floor(properties / 9) % 5;
  const posMask = (1 << Math.floor(properties / 45)) - 1;
  const lpMask = (1 << lp) - 1;
  const input = reader.bytes;
  const output = new Uint8Array(Number(size));

  // One array for all probabilities; `at` has the start of each kind.
  const at = layout(lc + lp);
  const probs = new Uint16Array(at.size).fill(half);
  let range = 0xffffffff;
  let code = 0;
  let next = headerSize;

  const byte = (): number => {
    const value = input[next];
    if (value === undefined) throw reader.error(next, structure, "ends early");
    next += 1;
    return value;
  };
  const bit = (index: number): number => {
    const prob = probs[index] ?? half;
    const bound = (range >>> 11) * prob;
    let result = 0;
    if (code >>> 0 < bound) {
      range = bound;
      probs[index] = prob + ((2048 - prob) >>> 5);
    } else {
      range -= bound;
      code = (code - bound) >>> 0;
      probs[index] = prob - (prob >>> 5);
      result = 1;
    }
    if (range < 0x1000000) {
      range = (range << 8) >>> 0;
      code = ((code << 8) | byte()) >>> 0;
    }
    return result;
  };
  const direct = (count: number): number => {
    let result = 0;
    for (let i = 0; i < count; i++) {
      range >>>= 1;
      const above = code >= range ? 1 : 0;
      if (above === 1) code = (code - range) >>> 0;
      if (range < 0x1000000) {
        range = (range << 8) >>> 0;
        code = ((code << 8) | byte()) >>> 0;
      }
      result = result * 2 + above;
    }
    return result;
  };
  const tree = (base: number, bits: number): number => {
    let node = 1;
    for (let i = 0; i < bits; i++) node = (node << 1) | bit(base + node);
    return node - (1 << bits);
  };
  const reverseTree = (base: number, bits: number): number => {
    let node = 1;
    let value = 0;
    for (let i = 0; i < bits; i++) {
      const one = bit(base + node);
      node = (node << 1) | one;
      value |= one << i;
    }
    return value;
  };
  const length = (base: number, posState: number): number => {
    if (bit(base + lengthStates.choice) === 0) return 2 + tree(base + lengthStates.low + (posState << 3), 3);
    if (bit(base + lengthStates.choice2) === 0) return 10 + tree(base + lengthStates.mid + (posState << 3), 3);
    return 18 + tree(base + lengthStates.high, 8);
  };
  const distance = (matchLength: number): number => {
    const slot = tree(at.slots + (Math.min(matchLength - 2, 3) << 6), 6);
    if (slot < 4) return slot;
    const low = (slot >> 1) - 1;
    const base = (2 | (slot & 1)) * 2 ** low;
    if (slot < 14) return base + reverseTree(at.special + base - slot, low);
    return base + direct(low - 4) * 16 + reverseTree(at.align, 4);
  };

  if (byte() !== 0) throw reader.error(headerSize, structure, "does not begin with a zero byte");
  for (let i = 0; i < 4; i++) code = ((code << 8) | byte()) >>> 0;
  let state = 0;
  const reps = [0, 0, 0, 0] as [number, number, number, number];
  for (let out = 0; out < output.length; ) {
    const posState = out & posMask;
    if (bit(at.match + (state << 4) + posState) === 0) {
      const previous = out === 0 ? 0 : (output[out - 1] ?? 0);
      const base = at.literal + 0x300 * (((out & lpMask) << lc) + (previous >> (8 - lc)));
      let symbol = 1;
      if (state >= 7) {
        let matched = output[out - reps[0] - 1] ?? 0;
        while (symbol < 0x100) {
          const expected = (matched >> 7) & 1;
          matched <<= 1;
          const one = bit(base + ((1 + expected) << 8) + symbol);
          symbol = (symbol << 1) | one;
          if (one !== expected) break;
        }
      }
      while (symbol < 0x100) symbol = (symbol << 1) | bit(base + symbol);
      output[out] = symbol;
      out += 1;
      state = state < 4 ? 0 : state < 10 ? state - 3 : state - 6;
      continue;
    }
    let count: number;
    if (bit(at.rep + state) === 0) {
      reps.unshift(0);
      reps.pop();
      count = length(at.length, posState);
      state = state < 7 ? 7 : 10;
      reps[0] = distance(count);
      if (reps[0] === 0xffffffff) throw reader.error(next, structure, "has an end marker before its end");
    } else {
      if (bit(at.rep0 + state) === 0) {
        if (bit(at.rep0Long + (state << 4) + posState) === 0) {
          state = state < 7 ? 9 : 11;
          output[out] = earlier(out, reps[0]);
          out += 1;
          continue;
        }
      } else {
        const which = bit(at.rep1 + state) === 0 ? 1 : bit(at.rep2 + state) === 0 ? 2 : 3;
        const [chosen = 0] = reps.splice(which, 1);
        reps.unshift(chosen);
      }
      count = length(at.repLength, posState);
      state = state < 7 ? 8 : 11;
    }
    if (out + count > output.length) throw reader.error(next, structure, "unpacks to more bytes than it states");
    earlier(out, reps[0]);
    for (const end = out + count; out < end; out++) output[out] = output[out - reps[0] - 1] ?? 0;
  }
  return output;

  function earlier(out: number, back: number): number {
    if (back >= out) throw reader.error(next, structure, `refers to ${back + 1} bytes before byte ${out}`);
    return output[out - back - 1] ?? 0;
  }
}

/** The start of each kind of probability in the array, and the size of the array. */
function layout(literalBits: number) {
  const sizes = {
    match: 192,
    rep: 12,
    rep0: 12,
    rep1: 12,
    rep2: 12,
    rep0Long: 192,
    slots: 256,
    special: 128,
    align: 16,
    length: lengthStates.size,
    repLength: lengthStates.size,
    literal: 0x300 << literalBits,
  };
  let size = 0;
  const starts = Object.fromEntries(
    Object.entries(sizes).map(([name, count]) => {
      size += count;
      return [name, size - count];
    }),
  ) as Record<keyof typeof sizes, number>;
  return { ...starts, size };
}
