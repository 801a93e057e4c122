/** Bytes of a page: the unit of firmware, IGVM files and launch measurements. */
export const pageSize = 4096;

/** A guest physical address has at most 52 bits (AMD APM volume 2, "Long-Mode Physical Address"). */
export const gpaLimit = 1n << 52n;

/** The most memory that one section of firmware metadata may ask for. OVMF asks for less than 1 MiB; the limit bounds hal's work. */
export const maxSectionSize = 64 * 1024 * 1024;
