/** QEMU's program for x86-64. */
export const x86 = "qemu-system-x86_64";
/** A number as measurements.json writes it. */
export const bits = (value: bigint): string => `0x${value.toString(16)}`;
/** QEMU's machine q35 without options. */
export const q35 = { type: "q35", options: {} } as const;
/** Virtio 1.0 devices, with DMA only through memory that the guest shares. */
export const modernVirtio = { "disable-legacy": true, iommu_platform: true } as const;
