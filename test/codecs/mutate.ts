/** A reproducible source of pseudo-random whole numbers in [0, limit). */
export type Random = (limit: number) => number;

/** mulberry32. */
export function seeded(seed: number): Random {
  let state = seed >>> 0;
  return (limit) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit;
  };
}

const interesting = [
  0, 1, 2, 3, 8, 16, 0x7f, 0x80, 0xff, 0xfff, 0x1000, 0x1001, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xfffff000, 0xffffffff,
];

/** Each changes some bytes in [from, to), or the length of the file. */
const mutations: readonly ((bytes: Buffer, random: Random, from: number, to: number) => Buffer)[] = [
  function flipBit(bytes, random, from, to) {
    const at = from + random(to - from);
    bytes[at] = (bytes[at] ?? 0) ^ (1 << random(8));
    return bytes;
  },
  function setByte(bytes, random, from, to) {
    bytes[from + random(to - from)] = random(256);
    return bytes;
  },
  function setWord(bytes, random, from, to) {
    bytes.writeUInt16LE((interesting[random(interesting.length)] ?? 0) & 0xffff, Math.min(from + random(to - from), bytes.length - 2));
    return bytes;
  },
  function setDoubleWord(bytes, random, from, to) {
    const at = Math.min(from + random(Math.ceil((to - from) / 4)) * 4, bytes.length - 4);
    bytes.writeUInt32LE(interesting[random(interesting.length)] ?? 0, at);
    return bytes;
  },
  function nudge(bytes, random, from, to) {
    const at = Math.min(from + random(Math.ceil((to - from) / 4)) * 4, bytes.length - 4);
    bytes.writeUInt32LE((bytes.readUInt32LE(at) + random(33) - 16) >>> 0, at);
    return bytes;
  },
  function copyOver(bytes, random, from, to) {
    const size = 1 + random(Math.min(64, to - from));
    bytes.copy(bytes, from + random(to - from), from + random(to - from), Math.min(to, from + random(to - from) + size));
    return bytes;
  },
  function zero(bytes, random, from, to) {
    const at = from + random(to - from);
    return bytes.fill(0, at, Math.min(to, at + 1 + random(64)));
  },
  function truncate(bytes, random) {
    return bytes.subarray(0, random(bytes.length));
  },
  function truncatePages(bytes, random) {
    return bytes.subarray(random(bytes.length / 4096) * 4096);
  },
  function grow(bytes, random) {
    return Buffer.concat([bytes, Buffer.alloc(1 + random(8192), random(256))]);
  },
];

/** Applies one to four mutations, mostly to the structures in [from, to). */
export function mutate(original: Uint8Array, random: Random, from: number, to: number): Buffer {
  let bytes: Buffer = Buffer.from(original);
  const count = 1 + random(4);
  for (let i = 0; i < count && bytes.length > 16; i++) {
    const change = mutations[random(mutations.length)];
    const end = Math.min(to, bytes.length);
    if (change !== undefined && from < end) bytes = change(bytes, random, from, end);
  }
  return bytes;
}
