import { crc32 } from "node:zlib";

/** A variable header: its type and body. */
export interface RawHeader {
  readonly type: number;
  readonly body: Buffer;
}

/** A number as a little-endian field of some bytes. */
type Field = readonly [size: 1 | 2 | 4 | 8, value: number | bigint];

function fields(...values: readonly Field[]): Buffer {
  const body = Buffer.alloc(values.reduce((sum, [size]) => sum + size, 0));
  let offset = 0;
  for (const [size, value] of values) {
    for (let byte = 0; byte < size; byte++) body[offset + byte] = Number((BigInt(value) >> BigInt(8 * byte)) & 0xffn);
    offset += size;
  }
  return body;
}

/** Headers of igvm_defs. `data` is the number of a page of file data, from 1; 0 means no data. */
export const raw = {
  platform: (mask = 1, type = 2, version = 1): RawHeader => ({ type: 1, body: fields([4, mask], [1, 0], [1, type], [2, version], [8, 0]) }),
  policy: (policy: bigint, mask = 1): RawHeader => ({ type: 0x101, body: fields([8, policy], [4, mask], [4, 0]) }),
  relocatable: (mask = 1): RawHeader => ({ type: 0x102, body: Buffer.concat([fields([4, mask]), Buffer.alloc(44)]) }),
  area: (index: number, size = 0x1000n, data = 0): RawHeader => ({ type: 0x301, body: fields([8, size], [4, index], [4, data]) }),
  parameter: (index: number, offset = 0, type = 0x307): RawHeader => ({ type, body: fields([4, index], [4, offset]) }),
  page: (gpa: bigint, { data = 0, flags = 0, type = 0, mask = 1, reserved = 0 } = {}): RawHeader => ({
    type: 0x302,
    body: fields([8, gpa], [4, mask], [4, data], [4, flags], [2, type], [2, reserved]),
  }),
  insert: (gpa: bigint, index: number, mask = 1): RawHeader => ({ type: 0x303, body: fields([8, gpa], [4, mask], [4, index]) }),
  vpContext: (gpa: bigint, data: number, { mask = 1, vpIndex = 0 } = {}): RawHeader => ({
    type: 0x304,
    body: fields([8, gpa], [4, mask], [4, data], [2, vpIndex], [2, 0]),
  }),
  requiredMemory: (gpa: bigint, mask = 1): RawHeader => ({ type: 0x305, body: fields([8, gpa], [4, mask], [4, 0x1000], [4, 0], [4, 0]) }),
  idBlock: (launchDigest: Buffer, mask = 1): RawHeader => ({
    type: 0x30b,
    body: Buffer.concat([fields([4, mask], [4, 0]), launchDigest, Buffer.alloc(640)]),
  }),
} as const;

/** The place of the file data's offset in a header, by type. */
const dataFields: Readonly<Record<number, number>> = { 769: 12, 770: 12, 772: 12 };

/** An IGVM file of headers and pages of file data. Page numbers in the headers become offsets. */
export function buildIgvm(headers: readonly RawHeader[], pages: readonly Uint8Array[] = []): Buffer {
  const padded = (size: number) => Math.ceil(size / 8) * 8;
  const headersSize = headers.reduce((sum, { body }) => sum + 8 + padded(body.length), 0);
  const parts = headers.map(({ type, body }) => {
    const bytes = Buffer.alloc(8 + padded(body.length));
    bytes.writeUInt32LE(type, 0);
    bytes.writeUInt32LE(body.length, 4);
    body.copy(bytes, 8);
    const at = dataFields[type];
    const number = at === undefined ? 0 : body.readUInt32LE(at);
    if (at !== undefined && number > 0) bytes.writeUInt32LE(24 + headersSize + (number - 1) * 4096, 8 + at);
    return bytes;
  });
  const data = Buffer.concat(pages);
  const fixed = Buffer.alloc(24);
  fixed.write("IGVM");
  [1, 24, headersSize, 24 + headersSize + data.length].forEach((value, index) => {
    fixed.writeUInt32LE(value, 4 + index * 4);
  });
  return withChecksum(Buffer.concat([fixed, ...parts, data]));
}

/** Sets the checksum over the headers, or over their part inside the file. */
export function withChecksum(file: Buffer): Buffer {
  const headers = Buffer.from(file.subarray(0, 24 + file.readUInt32LE(12)));
  headers.fill(0, 20, 24);
  file.writeUInt32LE(crc32(headers), 20);
  return file;
}
