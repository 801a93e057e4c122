/** What several platforms have in common. */

export const x86 = "qemu-system-x86_64";
export const q35 = { type: "q35", options: {} } as const;
export const modernVirtio = { "disable-legacy": true, iommu_platform: true } as const;
