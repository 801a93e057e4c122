import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { gunzipWhole } from "../../src/codecs/gzip.js";

const packed = gzipSync("text");
const changed = (offset: number, value: number): Buffer => Buffer.from(packed).fill(value, offset, offset + 1);

test("unpacks a file of one member", () => {
  expect(gunzipWhole(packed, "a.gz", 4).toString()).toBe("text");
});

test.each([
  ["another compression", Buffer.from("(\xb5/\xfd", "latin1"), 0],
  ["an optional field", changed(3, 8), 0],
  ["a second member", Buffer.concat([packed, packed]), packed.length],
  ["zeros behind it", Buffer.concat([packed, Buffer.alloc(4)]), packed.length],
  ["zeros and a second member behind it", Buffer.concat([packed, Buffer.alloc(4), packed]), packed.length],
  ["a wrong checksum", changed(packed.length - 8, 1), packed.length - 8],
  ["a wrong size", changed(packed.length - 4, 5), packed.length - 8],
  ["damaged data", changed(10, 0xff), 10],
  ["an early end", packed.subarray(0, -9), 10],
  ["no checksum", packed.subarray(0, -4), packed.length - 4],
])("refuses a file with %s", (_, bytes, offset) => {
  expect(() => gunzipWhole(bytes, "a.gz", 100)).toThrow(expect.objectContaining({ kind: "input", at: { file: "a.gz", offset } }));
});

test("stops at the limit", () => {
  expect(() => gunzipWhole(packed, "a.gz", 3)).toThrow(expect.objectContaining({ code: "ERR_BUFFER_TOO_LARGE" }));
});
