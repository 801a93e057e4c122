import { pageSize } from "../../codecs/x86.js";

/** The address at which the bootstrap processor starts: the reset vector. */
export const bspEip = 0xfffffff0;

/** The registers of a new vCPU that always have the same value under QEMU and KVM: [offset, bytes, value]. */
const initialState: readonly (readonly [offset: number, size: 2 | 4 | 8, value: bigint])[] = [
  // Segments are {u16 selector, u16 attributes, u32 limit, u64 base}.
  ...segment(0x00, 0x0000, 0x93), // es
  ...segment(0x10, 0xf000, 0x9b), // cs
  ...segment(0x20, 0x0000, 0x93), // ss
  ...segment(0x30, 0x0000, 0x93), // ds
  ...segment(0x40, 0x0000, 0x93), // fs
  ...segment(0x50, 0x0000, 0x93), // gs
  ...segment(0x60, 0x0000, 0x00), // gdtr
  ...segment(0x70, 0x0000, 0x82), // ldtr
  ...segment(0x80, 0x0000, 0x00), // idtr
  ...segment(0x90, 0x0000, 0x8b), // tr
  [0xd0, 8, 0x1000n], // efer: SVME, which KVM sets
  [0x148, 8, 0x40n], // cr4: MCE, which KVM sets
  [0x158, 8, 0x10n], // cr0
  [0x160, 8, 0x400n], // dr7
  [0x168, 8, 0xffff0ff0n], // dr6
  [0x170, 8, 0x2n], // rflags
  [0x268, 8, 0x0007040600070406n], // g_pat
  [0x3e8, 8, 0x1n], // xcr0
  [0x408, 4, 0x1f80n], // mxcsr
  [0x410, 2, 0x37fn], // x87 fcw
];

const offsets = { csBase: 0x18, rip: 0x178, rdx: 0x310, sevFeatures: 0x3b0 } as const;
const writers = { 2: "writeUInt16LE", 4: "writeUInt32LE" } as const;

/**
 * The VMSA, the page with the registers of a vCPU (AMD APM volume 2, table B-4), as QEMU and KVM fill it before launch.
 * @param eip the address at which the vCPU starts
 * @param signature CPUID Fn0000_0001_EAX
 * @param sevFeatures SEV_FEATURES (table B-4, offset 0x3B0)
 */
export function vmsaPage(eip: number, signature: number, sevFeatures: bigint): Uint8Array {
  const page = Buffer.alloc(pageSize);
  for (const [offset, size, value] of initialState) {
    if (size === 8) page.writeBigUInt64LE(value, offset);
    else page[writers[size]](Number(value), offset);
  }
  page.writeUInt32LE((eip & 0xffff0000) >>> 0, offsets.csBase);
  page.writeUInt32LE(eip & 0xffff, offsets.rip);
  page.writeUInt32LE(signature, offsets.rdx);
  page.writeBigUInt64LE(sevFeatures, offsets.sevFeatures);
  return page;
}

function segment(offset: number, selector: number, attributes: number): readonly (readonly [number, 2 | 4, bigint])[] {
  return [
    [offset, 2, BigInt(selector)],
    [offset + 2, 2, BigInt(attributes)],
    [offset + 4, 4, 0xffffn],
  ];
}
