/**
 * The 16 bytes of a GUID as files store it: the first three fields are little-endian (UEFI Specification 2.10, appendix A).
 * @param text the canonical form with 36 characters
 */
export function guidBytes(text: string): Buffer {
  const bytes = Buffer.from(text.replaceAll("-", ""), "hex");
  bytes.subarray(0, 4).reverse();
  bytes.subarray(4, 6).reverse();
  bytes.subarray(6, 8).reverse();
  return bytes;
}

/** The canonical form, in lower case, of the 16 bytes of a GUID. */
export function guidText(bytes: Uint8Array): string {
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0"));
  const field = (...indexes: number[]) => indexes.map((index) => hex[index]).join("");
  return [field(3, 2, 1, 0), field(5, 4), field(7, 6), field(8, 9), field(10, 11, 12, 13, 14, 15)].join("-");
}
