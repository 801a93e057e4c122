import { hash } from "node:crypto";
import { u16, u32 } from "./integers.js";

const algorithmIds = { sha1: 4, sha256: 11, sha384: 12, sha512: 13 } as const;
type Algorithm = keyof typeof algorithmIds;
const sizes = { sha1: 20, sha256: 32, sha384: 48, sha512: 64 } as const;

/** An event for a log. Its digests are those of its data. */
export interface BuiltEvent {
  readonly index: number;
  readonly type: number;
  readonly data: Uint8Array;
}

/** A crypto-agile event log (TCG PC Client Platform Firmware Profile 10.2). */
export function buildEventLog(
  events: readonly BuiltEvent[],
  algorithms: readonly Algorithm[] = ["sha1", "sha256", "sha384", "sha512"],
): Buffer {
  const specId = Buffer.concat([
    Buffer.from("Spec ID Event03\0"),
    Buffer.from([0, 0, 0, 0, 0, 2, 0, 2]),
    u32(algorithms.length),
    ...algorithms.flatMap((name) => [u16(algorithmIds[name]), u16(sizes[name])]),
    Buffer.from([0]),
  ]);
  const first = Buffer.concat([u32(0), u32(3), Buffer.alloc(20), u32(specId.length), specId]);
  const rest = events.map(({ index, type, data }) =>
    Buffer.concat([
      ...[u32(index), u32(type), u32(algorithms.length)],
      ...algorithms.flatMap((name) => [u16(algorithmIds[name]), type === 3 ? Buffer.alloc(sizes[name]) : hash(name, data, "buffer")]),
      u32(data.length),
      data,
    ]),
  );
  return Buffer.concat([first, ...rest]);
}
