import { createHash, hash } from "node:crypto";
import type { Firmware } from "../../codecs/ovmf.js";
import { readTdvfMetadata, type TdvfSection } from "../../codecs/tdvf.js";
import { pageSize } from "../../codecs/x86.js";
import type { Measured, MeasuredStep } from "../steps.js";

const recordSize = 128;
const chunkSize = 256;
const chunksPerPage = pageSize / chunkSize;

/**
 * The order in which QEMU adds the pages of a section and measures their contents:
 * - `two`: two passes over the section, first all pages, then all contents (QEMU 8.x with the TDX patches);
 * - `single`: one pass, page by page (KVM_TDX_INIT_MEM_REGION, QEMU 9.0 and later).
 */
export type MrtdOrder = "two" | "single";

/**
 * MRTD: SHA-384 over the records of building the TD (Intel TDX Module Base Architecture Specification, "MRTD: Build-Time Measurement
 * Register"; TDVF Design Guide). Each page has a 128-byte record `MEM.PAGE.ADD` with the address at byte 16. Each measured chunk of 256
 * bytes has a record `MR.EXTEND` with the address, followed by the chunk.
 */
export function mrtd(firmware: Firmware, order: MrtdOrder): Measured {
  const sections = readTdvfMetadata(firmware);
  const digest = createHash("sha384");
  const { add, extend } = recordMaker();
  for (const section of sections) {
    if (order === "single") {
      for (const page of pages(section)) digest.update(add(section, page)).update(extend(section, page));
    } else {
      for (const page of pages(section)) digest.update(add(section, page));
      for (const page of pages(section)) digest.update(extend(section, page));
    }
  }
  return {
    digest: digest.digest("hex"),
    // A getter, because it hashes every section a second time.
    get steps() {
      return sections.filter(({ size, augment }) => size > 0 && !augment).map(explain);
    },
  };
}

/** Offsets of a section's pages that are part of the TD at launch. */
function* pages({ size, augment }: TdvfSection): Generator<number> {
  if (augment) return;
  for (let offset = 0; offset < size; offset += pageSize) yield offset;
}

/** Makes records in buffers that it reuses: hash a record before you make the next one. */
function recordMaker(): {
  readonly add: (section: TdvfSection, offset: number) => Uint8Array;
  readonly extend: (section: TdvfSection, offset: number) => Uint8Array;
} {
  const nothing = new Uint8Array();
  const added = Buffer.alloc(recordSize);
  added.write("MEM.PAGE.ADD");
  const extended = Buffer.alloc(chunksPerPage * (recordSize + chunkSize));
  for (let chunk = 0; chunk < chunksPerPage; chunk++) extended.write("MR.EXTEND", chunk * (recordSize + chunkSize));

  const add = ({ gpa }: TdvfSection, offset: number) => {
    added.writeBigUInt64LE(gpa + BigInt(offset), 16);
    return added;
  };
  const extend = ({ gpa, data, extend: measured }: TdvfSection, offset: number) => {
    if (!measured) return nothing;
    for (let chunk = 0; chunk < chunksPerPage; chunk++) {
      const start = chunk * (recordSize + chunkSize);
      const from = offset + chunk * chunkSize;
      const contents = data.subarray(from, from + chunkSize);
      extended.writeBigUInt64LE(gpa + BigInt(from), start + 16);
      extended.fill(0, start + recordSize + contents.length, start + recordSize + chunkSize).set(contents, start + recordSize);
    }
    return extended;
  };
  return { add, extend };
}

function explain(section: TdvfSection): MeasuredStep {
  const { type, gpa, size, data, extend } = section;
  return {
    register: "mrtd",
    what: `${type} section: addresses${extend ? " and contents" : ""}`,
    ...(extend ? { digest: hash("sha384", Buffer.concat([data, new Uint8Array(size - data.length)]), "hex") } : {}),
    gpa,
    size,
    from: "firmware",
  };
}
