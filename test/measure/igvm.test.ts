import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { readIgvm } from "../../src/codecs/igvm.js";
import { igvmSnpLaunchDigest } from "../../src/measure/sev/igvm-digest.js";
import { buildIgvm, type RawHeader, raw, withChecksum } from "../codecs/build-igvm.js";
import { fuzz } from "../codecs/fuzz.js";
import { mutate } from "../codecs/mutate.js";
import vectors from "../vectors/igvm.json" with { type: "json" };
import { readSmallInput } from "../vectors/read-input.js";

describe("SNP launch digest of an IGVM file that igvmmeasure measured", () => {
  it.each(vectors.vectors)("$file", (vector) => {
    const igvm = readIgvm(readSmallInput(vector.file), vector.file);
    expect(igvmSnpLaunchDigest(igvm, { nativeZero: false }).digest).toBe(vector.default);
    expect(igvmSnpLaunchDigest(igvm, { nativeZero: true }).digest).toBe(vector.nativeZero);
  });
});

const vmsaGpa = 0xfffffffff000n;
const page = (fill: number) => Buffer.alloc(4096, fill);
const vmsa = Buffer.alloc(4096);
vmsa[0x158] = 0x31;
const pages = [page(1), page(2), vmsa];

const platforms = [raw.platform(1, 2), raw.platform(2, 3), raw.platform(4, 0)];
const area = [raw.area(7), raw.parameter(7, 0x10), raw.parameter(7, 0x20, 0x309)];
const directives = [
  ...area,
  raw.page(0x100000n, { data: 1 }),
  raw.page(0x101000n, { data: 2, mask: 3 }),
  raw.page(0x102000n, { data: 2, mask: 2 }),
  raw.page(0x200000n, { flags: 1 }),
  raw.page(0x103000n, { data: 1, flags: 2 }),
  raw.page(0x104000n, { type: 1 }),
  raw.page(0x105000n, { type: 2, data: 1 }),
  raw.page(0x106000n, { type: 3 }),
  raw.insert(0x107000n, 7),
  raw.requiredMemory(0x100000n),
  raw.vpContext(vmsaGpa, 3),
];
const whole = buildIgvm([...platforms, raw.policy(0x30000n), ...directives], pages);

/** The launch digest of pages, each as [PAGE_TYPE, gpa, contents if measured]. */
type Launched = readonly [type: number, gpa: number | bigint, contents?: Uint8Array | undefined];

function digestOf(launched: readonly Launched[]): string {
  return launched
    .reduce((digest, [type, gpa, contents]) => {
      const contentsDigest = contents === undefined ? Buffer.alloc(48) : createHash("sha384").update(contents).digest();
      const tail = Buffer.from([0x70, 0, type, 0, 0, 0, 0, 0]);
      const address = Buffer.alloc(8);
      address.writeBigUInt64LE(BigInt(gpa));
      return createHash("sha384")
        .update(Buffer.concat([digest, contentsDigest, tail, address]))
        .digest();
    }, Buffer.alloc(48))
    .toString("hex");
}

describe("the SNP launch digest of an IGVM file", () => {
  const igvm = readIgvm(whole, "file.igvm");
  const zeros = (type: number, contents?: Uint8Array) =>
    Array.from({ length: 512 }, (_, index): Launched => [type, 0x200000 + index * 4096, contents]);
  const launched = (empty: readonly Launched[]) =>
    digestOf([
      [1, 0x100000, page(1)],
      [1, 0x101000, page(2)],
      ...empty,
      [4, 0x103000],
      [5, 0x104000],
      [6, 0x105000],
      [6, 0x106000],
      [4, 0x107000],
      [2, vmsaGpa, vmsa],
    ]);

  it("covers the pages for the SNP platform, in file order", () => {
    expect(igvmSnpLaunchDigest(igvm, { nativeZero: false }).digest).toBe(launched(zeros(1, page(0))));
    expect(igvmSnpLaunchDigest(igvm, { nativeZero: true }).digest).toBe(launched(zeros(3)));
  });

  it("names what enters, in order", () => {
    const { steps } = igvmSnpLaunchDigest(igvm, { nativeZero: true });
    expect(steps.map(({ what, gpa, size }) => [what, gpa, size])).toEqual([
      ["data: 2 normal pages", 0x100000n, 0x2000],
      ["zeros: 512 zero pages", 0x200000n, 0x200000],
      ["unmeasured data: 1 unmeasured page", 0x103000n, 0x1000],
      ["secrets: 1 secrets page", 0x104000n, 0x1000],
      ["CPUID values: 2 CPUID pages", 0x105000n, 0x2000],
      ["parameters: 1 unmeasured page", 0x107000n, 0x1000],
      ["vCPU 0 registers: 1 VMSA page", vmsaGpa, 0x1000],
    ]);
    expect(steps[0]?.digest).toBe(
      createHash("sha384")
        .update(Buffer.concat([page(1), page(2)]))
        .digest("hex"),
    );
    const zeroSteps = igvmSnpLaunchDigest(igvm, { nativeZero: false }).steps;
    expect(zeroSteps[1]?.digest).toBe(createHash("sha384").update(Buffer.alloc(0x200000)).digest("hex"));
  });

  it("does not join pages that are adjacent only in the file or only in memory", () => {
    const file = readIgvm(
      buildIgvm([raw.platform(), raw.page(0n, { data: 1 }), raw.page(0x5000n, { data: 2 }), raw.page(0x6000n, { data: 1 })], pages),
      "file.igvm",
    );
    const { digest, steps } = igvmSnpLaunchDigest(file, { nativeZero: true });
    expect(steps.map(({ gpa }) => gpa)).toEqual([0n, 0x5000n, 0x6000n]);
    expect(digest).toBe(
      digestOf([
        [1, 0, page(1)],
        [1, 0x5000, page(2)],
        [1, 0x6000, page(1)],
      ]),
    );
  });

  it("comes with the policy and the ID block of the file", () => {
    expect(igvm.policies).toEqual([{ mask: 1, policy: 0x30000n }]);
    expect(igvmSnpLaunchDigest(igvm, { nativeZero: true })).not.toHaveProperty("idBlockDigest");
    const signed = readIgvm(buildIgvm([...platforms, raw.idBlock(Buffer.alloc(48, 0xab), 1)]), "file.igvm");
    expect(igvmSnpLaunchDigest(signed, { nativeZero: true }).idBlockDigest).toBe("ab".repeat(48));
    const others = readIgvm(buildIgvm([...platforms, raw.idBlock(Buffer.alloc(48, 0xab), 2)]), "file.igvm");
    expect(igvmSnpLaunchDigest(others, { nativeZero: true })).not.toHaveProperty("idBlockDigest");
  });

  it.each<[string, readonly RawHeader[], readonly string[]]>([
    ["nothing, where the file is made for them", [raw.vpContext(vmsaGpa, 3)], []],
    ["a second VMSA", [raw.vpContext(vmsaGpa, 3), raw.vpContext(vmsaGpa, 3, { vpIndex: 1 })], ["more than one VMSA"]],
    ["a VMSA elsewhere", [raw.vpContext(0x1000n, 3)], ["a VMSA at 0x1000"]],
    ["a VMSA before other memory", [raw.vpContext(vmsaGpa, 3), raw.page(0n)], ["a VMSA before other memory"]],
    ["another CR0", [raw.vpContext(vmsaGpa, 1)], ["a VMSA with another CR0"]],
  ])("lists what QEMU and KVM measure differently: %s", (_, headers, objections) => {
    const { kvmObjections } = igvmSnpLaunchDigest(readIgvm(buildIgvm([raw.platform(), ...headers], pages), "f"), { nativeZero: true });
    expect(kvmObjections).toEqual(objections);
  });

  it.each<[string, readonly RawHeader[], RegExp]>([
    ["no SNP platform", [raw.platform(1, 3)], /declares no SEV-SNP platform/],
    ["movable memory", [raw.platform(), raw.relocatable()], /may move/],
    ["a page twice", [raw.platform(), raw.page(0x1000n), raw.page(0x1000n)], /memory at 0x1000 overlaps/],
    ["a page inside a large one", [raw.platform(), raw.page(0x200000n, { flags: 1 }), raw.page(0x300000n)], /0x300000 overlaps/],
    [
      "more than 1 GiB",
      [raw.platform(), ...Array.from({ length: 513 }, (_, i) => raw.page(BigInt(i) << 21n, { flags: 1 }))],
      /262656 pages/,
    ],
    ["a shared page", [raw.platform(), raw.page(0n, { flags: 4 })], /a shared page/],
    ["a parameter area of two pages", [raw.platform(), raw.area(1, 0x2000n), raw.insert(0n, 1)], /an area of 8192 bytes/],
  ])("does not exist for %s", (_, headers, message) => {
    const file = readIgvm(buildIgvm(headers, pages), "file.igvm");
    expect(() => igvmSnpLaunchDigest(file, { nativeZero: true })).toThrow(
      expect.objectContaining({ kind: "input", message: expect.stringMatching(message) }),
    );
  });

  it("does not exist for half a VMSA", () => {
    const file = readIgvm(buildIgvm([raw.platform(), raw.vpContext(vmsaGpa, 1)], [page(0).subarray(0, 2048)]), "file.igvm");
    expect(() => igvmSnpLaunchDigest(file, { nativeZero: true })).toThrow(/a VMSA of 2048 bytes/);
  });
});

describe("the IGVM reader", () => {
  const first = 24 + 3 * 24;
  const edited = (edit: (bytes: Buffer) => void) => {
    const bytes = Buffer.from(whole);
    edit(bytes);
    return bytes;
  };
  const withPadding = (bytes: Buffer, at: number) => {
    bytes[at] = 1;
    return withChecksum(bytes);
  };
  const one = (header: RawHeader, ...before: readonly RawHeader[]) => buildIgvm([...platforms, ...before, header], pages);

  it.each<[string, Buffer, number, RegExp]>([
    ["an empty file", Buffer.alloc(0), 0, /needs 4 bytes/],
    ["another magic", edited((bytes) => bytes.write("IGVX")), 0, /the magic is not IGVM/],
    ["another version", edited((bytes) => bytes.writeUInt32LE(2, 4)), 4, /format version 2/],
    ["headers elsewhere", edited((bytes) => bytes.writeUInt32LE(32, 8)), 8, /start at 32/],
    ["a header size off 8", edited((bytes) => bytes.writeUInt32LE(12, 12)), 12, /12 is not a multiple/],
    ["a header size beyond the file", edited((bytes) => bytes.writeUInt32LE(0xfffffff8, 12)), 0, /needs 4294967312 bytes/],
    ["a cut file", whole.subarray(0, whole.length - 1), 16, /but the file has/],
    ["a longer file", Buffer.concat([whole, Buffer.alloc(8)]), 16, /but the file has/],
    ["another checksum", edited((bytes) => bytes.writeUInt32LE(0, 20)), 20, /checksum 0x0/],
    ["a damaged header", edited((bytes) => bytes.writeUInt32LE(0xff, 200)), 20, /checksum 0x/],
    [
      "a header that leaves the area",
      withChecksum(edited((bytes) => bytes.writeUInt32LE(0x10000, 28))),
      28,
      /do not fit into the header area/,
    ],
    ["a padding that is not zero", withPadding(one(raw.vpContext(0n, 1)), first + 8 + 20), first + 8 + 20, /its padding is not zero/],
    ["an unknown type", one({ type: 0x306, body: Buffer.alloc(8) }), first, /type 0x306/],
    ["another length", one({ type: 0x302, body: Buffer.alloc(16) }), first + 4, /has 16 bytes, not 24/],
    ["a platform after other headers", one(raw.platform(8, 4), raw.page(0n)), first + 32, /comes after a header of the directive section/],
    ["a policy after a page", one(raw.policy(0n), raw.page(0n)), first + 32, /comes after a header of the directive section/],
    ["reserved bytes", one(raw.page(0n, { reserved: 1 })), first + 8 + 22, /reserved bytes/],
    ["a platform of two bits", one(raw.platform(0x18, 4)), first + 8, /is not one bit/],
    ["a platform of no bit", one(raw.platform(0, 4)), first + 8, /is not one bit/],
    ["an unknown platform", one(raw.platform(8, 7)), first + 8 + 5, /type 7/],
    ["an unknown platform version", one(raw.platform(8, 4, 2)), first + 8 + 6, /version 2/],
    ["a platform type twice", one(raw.platform(8, 2)), first + 8, /a second platform/],
    ["a platform mask twice", one(raw.platform(1, 4)), first + 8, /a second platform/],
    ["a mask of no platform", one(raw.page(0n, { mask: 0 })), first + 8, /names no declared platform/],
    ["a mask of an undeclared platform", one(raw.page(0n, { mask: 9 })), first + 8, /names no declared platform/],
    ["a page off its alignment", one(raw.page(0x1001n)), first + 8, /0x1001 is not aligned to 4096/],
    ["a large page off its alignment", one(raw.page(0x1000n, { flags: 1 })), first + 8, /0x1000 is not aligned to 2097152/],
    ["a page beyond 52 bits", one(raw.page(1n << 52n)), first + 8, /beyond 52 bits/],
    ["unknown page flags", one(raw.page(0n, { flags: 8 })), first + 8 + 16, /flags 0x8/],
    ["an unknown page type", one(raw.page(0n, { type: 4 })), first + 8 + 20, /type 4/],
    ["a large page with data", one(raw.page(0n, { flags: 1, data: 1 })), first + 8 + 12, /a 2 MiB page with data/],
    ["data beyond the file", one(raw.page(0n, { data: 4 })), first + 32 + 3 * 4096, /needs 4096 bytes/],
    ["data in the headers", withChecksum(one({ type: 0x304, body: raw.vpContext(0n, 0).body })), first + 8 + 12, /overlaps the headers/],
    ["a VMSA beyond the file", one(raw.vpContext(0n, 4)), first + 32 + 3 * 4096, /needs 1 bytes/],
    ["an area of no bytes", one(raw.area(1, 0n)), first + 8, /size 0x0/],
    ["an area off the page", one(raw.area(1, 0x1001n)), first + 8, /size 0x1001/],
    ["a huge area", one(raw.area(1, 1n << 60n)), first + 8, /is not a number of pages up to/],
    ["an area twice", one(raw.area(1), raw.area(1)), first + 24 + 8 + 8, /a second area 1/],
    ["an area's data beyond the file", one(raw.area(1, 0x4000n, 1)), first + 24, /needs 16384 bytes/],
    ["a parameter without its area", one(raw.parameter(1)), first + 8, /area 1 is not declared/],
    ["a parameter outside its area", one(raw.parameter(1, 0x1000), raw.area(1)), first + 24 + 8 + 4, /offset 4096 is outside/],
    ["a parameter after its area's insert", one(raw.parameter(1), raw.area(1), raw.insert(0n, 1)), first + 48 + 8, /already inserted/],
    ["an insert without its area", one(raw.insert(0n, 1)), first + 8 + 12, /area 1 is not declared/],
    ["an insert twice", one(raw.insert(0n, 1), raw.area(1), raw.insert(0n, 1)), first + 48 + 8 + 12, /already inserted/],
    ["an insert beyond 52 bits", one(raw.insert((1n << 52n) - 0x1000n, 1), raw.area(1, 0x2000n)), first + 24 + 8, /beyond 52 bits/],
  ])("refuses %s", (_, bytes, offset, message) => {
    expect(() => readIgvm(bytes, "file.igvm")).toThrow(
      expect.objectContaining({ kind: "input", at: { file: "file.igvm", offset }, message: expect.stringMatching(message) }),
    );
  });

  it("skips an unknown header that is marked as ignorable", () => {
    const igvm = readIgvm(one({ type: 0x80000999, body: Buffer.alloc(5) }), "file.igvm");
    expect(igvm.directives).toEqual([]);
  });

  it("reads 20,000 damaged files", () => {
    const headersEnd = 24 + whole.readUInt32LE(12);
    const outcome = fuzz(
      (random) => {
        const bytes = mutate(whole, random, 0, headersEnd);
        if (random(10) === 0 || bytes.length < 24) return bytes;
        // Most files get a correct length and checksum, so that the reader reaches the other checks.
        if (random(10) > 0) bytes.writeUInt32LE(bytes.length, 16);
        return withChecksum(bytes);
      },
      (bytes) => igvmSnpLaunchDigest(readIgvm(bytes, "file.igvm"), { nativeZero: true }),
    );
    expect(outcome.messages.size).toBeGreaterThanOrEqual(35);
    expect(outcome.accepted).toBeGreaterThan(100);
    expect(outcome.refused).toBeGreaterThan(1000);
  });
});
