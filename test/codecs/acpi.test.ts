import { describe, expect, test } from "vitest";
import { amlThatWritesMemory, descriptionTable, tablesWithDsdt } from "../../src/codecs/acpi.js";

const sum = (bytes: Uint8Array): number => bytes.reduce((total, byte) => total + byte, 0) & 0xff;

describe("tables of a hostile host", () => {
  test("a table has its length, and the sum of its bytes is 0", () => {
    const table = descriptionTable("SSDT", 2, amlThatWritesMemory(0x80000, "text"));
    expect(table.subarray(0, 4).toString()).toBe("SSDT");
    expect(table.readUInt32LE(4)).toBe(table.length);
    expect(sum(table)).toBe(0);
  });

  test("an operation region and its field", () => {
    const aml = amlThatWritesMemory(0x12345678, "");
    expect(aml.subarray(0, 17).toString("hex")).toBe("5b8048414c52000c785634120c01000000");
    expect(aml.subarray(17, 30).toString("hex")).toBe("5b810b48414c520148414c4408");
  });

  test("the loader makes every checksum right", () => {
    const files = tablesWithDsdt(amlThatWritesMemory(0x80000, "text"));
    const memory = { "etc/acpi/tables": 0x7ff00000, "etc/acpi/rsdp": 0xf5000 } as const;
    const loaded = { "etc/acpi/tables": Buffer.from(files["etc/acpi/tables"]), "etc/acpi/rsdp": Buffer.from(files["etc/acpi/rsdp"]) };
    const name = (entry: Buffer, at: number) =>
      entry
        .subarray(at, at + 56)
        .toString()
        .replace(/\0+$/, "") as keyof typeof loaded;
    for (let at = 0; at < files["etc/table-loader"].length; at += 128) {
      const entry = files["etc/table-loader"].subarray(at, at + 128);
      const file = loaded[name(entry, 4)];
      const [offset, start, length] = [entry.readUInt32LE(60), entry.readUInt32LE(64), entry.readUInt32LE(68)];
      if (entry.readUInt32LE(0) === 2) {
        const pointer = entry.readUInt32LE(116);
        file.writeUInt32LE(file.readUInt32LE(pointer) + memory[name(entry, 60)], pointer);
      }
      if (entry.readUInt32LE(0) === 3) file.writeUInt8((256 - sum(file.subarray(start, start + length))) & 0xff, offset);
    }
    const tables = loaded["etc/acpi/tables"];
    const tableAt = (address: number): Buffer => {
      const at = address - memory["etc/acpi/tables"];
      return tables.subarray(at, at + tables.readUInt32LE(at + 4));
    };
    expect(sum(loaded["etc/acpi/rsdp"])).toBe(0);
    const rsdt = tableAt(loaded["etc/acpi/rsdp"].readUInt32LE(16));
    const [fadt, madt] = [tableAt(rsdt.readUInt32LE(36)), tableAt(rsdt.readUInt32LE(40))];
    const dsdt = tableAt(fadt.readUInt32LE(40));
    expect([rsdt, fadt, madt, dsdt].map((table) => table.subarray(0, 4).toString())).toEqual(["RSDT", "FACP", "APIC", "DSDT"]);
    for (const table of [rsdt, fadt, madt, dsdt]) expect(sum(table)).toBe(0);
    expect(tableAt(fadt.readUInt32LE(36)).subarray(0, 4).toString()).toBe("FACS");
  });
});
