/**
 * Writes ACPI tables, as a host can give them to a guest (ACPI Specification 6.5: chapter 5 for tables, chapter 20 for AML).
 * hal uses them to attack its own images.
 */

const HEADER_SIZE = 36;
/** Offsets in the header of a table. */
const header = { length: 4, checksum: 9 } as const;

/** The byte that makes the sum of all bytes 0 (section 5.2.2). */
function checksum(bytes: Uint8Array): number {
  return (256 - (bytes.reduce((sum, byte) => sum + byte, 0) & 0xff)) & 0xff;
}

/**
 * A system description table (section 5.2.6): the header with its checksum, and the body.
 * @param signature four characters, such as `SSDT`
 */
export function descriptionTable(signature: string, revision: number, body: Uint8Array): Buffer {
  const table = Buffer.concat([Buffer.alloc(HEADER_SIZE), body]);
  table.write(signature, "latin1");
  table.writeUInt32LE(table.length, header.length);
  table.writeUInt8(revision, 8);
  table.write("HALHALHALTEST ", 10, "latin1"); // OEM ID and OEM table ID
  table.writeUInt32LE(1, 24);
  table.write("HAL ", 28, "latin1");
  table.writeUInt32LE(1, 32);
  table.writeUInt8(checksum(table), header.checksum);
  return table;
}

/** PkgLength (section 20.2.4): the length of a package, which includes the PkgLength itself. */
function packageLength(contentSize: number): Buffer {
  for (let size = 1; size <= 4; size++) {
    const total = contentSize + size;
    if (size === 1 && total < 64) return Buffer.from([total]);
    if (size > 1 && total < 2 ** (4 + 8 * (size - 1))) return leadAndRest(total, size);
  }
  throw new Error(`AML package too large: ${contentSize} bytes`);
}

function leadAndRest(value: number, size: number): Buffer {
  const bytes = Buffer.alloc(size);
  bytes.writeUInt8(((size - 1) << 6) | (value & 0xf));
  for (let index = 1; index < size; index++) bytes.writeUInt8(Math.floor(value / 2 ** (4 + 8 * (index - 1))) & 0xff, index);
  return bytes;
}

const dword = (value: number): Buffer => {
  const bytes = Buffer.from([0x0c, 0, 0, 0, 0]);
  bytes.writeUInt32LE(value, 1);
  return bytes;
};
const packaged = (opcode: readonly number[], content: Buffer): Buffer =>
  Buffer.concat([Buffer.from(opcode), packageLength(content.length), content]);

/** Address spaces of an operation region (section 20.2.5.2, RegionSpace). */
const spaces = { memory: 0, ports: 1 } as const;

/** `OperationRegion (name, space, address, 1)` and `Field (name, ByteAcc) { field, 8 }`. Names have four characters. */
function region(name: string, field: string, space: keyof typeof spaces, address: number): Buffer {
  return Buffer.concat([
    Buffer.from([0x5b, 0x80]),
    Buffer.from(name),
    Buffer.from([spaces[space]]),
    dword(address),
    dword(1),
    packaged([0x5b, 0x81], Buffer.concat([Buffer.from(name), Buffer.from([1]), Buffer.from(field), Buffer.from([8])])),
  ]);
}

const store = (value: Buffer, field: string): Buffer => Buffer.concat([Buffer.from([0x70]), value, Buffer.from(field)]);

/** The first serial port of a PC. */
const SERIAL_PORT = 0x3f8;

/**
 * AML that runs when the kernel loads its table. It writes each letter of a text to the guest's physical memory, and copies it from there
 * to the first serial port. Every letter passes through the memory, because the interpreter continues after an error.
 */
export function amlThatWritesMemory(address: number, text: string): Buffer {
  return Buffer.concat([
    region("HALR", "HALD", "memory", address),
    region("HALP", "HALB", "ports", SERIAL_PORT),
    ...[...Buffer.from(text, "latin1")].flatMap((letter) => [
      store(Buffer.from([0x0a, letter]), "HALD"),
      store(Buffer.from("HALD"), "HALB"),
    ]),
  ]);
}

/** The three files by which QEMU gives its tables to the firmware (QEMU docs/specs/acpi_*.rst, hw/acpi/bios-linker-loader.c), by fw_cfg name. */
export interface TableFiles {
  readonly "etc/acpi/tables": Buffer;
  readonly "etc/acpi/rsdp": Buffer;
  readonly "etc/table-loader": Buffer;
}

/** Ports of the ICH9 of QEMU's q35, with the base that SeaBIOS and OVMF set. */
const powerManagement = 0x600;

/** The fixed ACPI description table (section 5.2.9), revision 3, without its pointers. */
function fadt(): Buffer {
  const body = Buffer.alloc(244 - HEADER_SIZE);
  const at = (offset: number): number => offset - HEADER_SIZE;
  body.writeUInt16LE(9, at(46)); // SCI_INT
  for (const [offset, port] of [
    [56, 0], // PM1a_EVT_BLK
    [64, 4], // PM1a_CNT_BLK
    [76, 8], // PM_TMR_BLK
    [80, 0x20], // GPE0_BLK
  ] as const)
    body.writeUInt32LE(powerManagement + port, at(offset));
  for (const [offset, length] of [
    [88, 4],
    [89, 2],
    [91, 4],
    [92, 16],
  ] as const)
    body.writeUInt8(length, at(offset));
  body.writeUInt16LE(0xfff, at(96)); // no C2
  body.writeUInt16LE(0xfff, at(98)); // no C3
  body.writeUInt32LE(0x5, at(112)); // WBINVD works, no power button device
  return descriptionTable("FACP", 3, body);
}

/** The multiple APIC description table (section 5.2.12): one local APIC and QEMU's IOAPIC. */
function madt(): Buffer {
  const head = Buffer.alloc(8);
  head.writeUInt32LE(0xfee00000);
  head.writeUInt32LE(1, 4);
  const local = Buffer.from([0, 8, 0, 0, 1, 0, 0, 0]);
  const io = Buffer.from([1, 12, 0, 0, 0, 0, 0xc0, 0xfe, 0, 0, 0, 0]);
  const timer = Buffer.from([2, 10, 0, 0, 2, 0, 0, 0, 0, 0]);
  return descriptionTable("APIC", 1, Buffer.concat([head, local, io, timer]));
}

/** `Name (\_S5, Package { 0, 0, 0, 0 })`: the power-off of QEMU's q35 (section 7.4.2). */
const powerOff = Buffer.from([0x08, 0x5f, 0x53, 0x35, 0x5f, 0x12, 0x06, 0x04, 0, 0, 0, 0]);

/** All tables of a machine with one CPU whose DSDT contains only `aml` and power-off. They replace those of QEMU, started with `-machine acpi=off`. */
export function tablesWithDsdt(aml: Uint8Array): TableFiles {
  const [tables, rsdp] = ["etc/acpi/tables", "etc/acpi/rsdp"] as const;
  const facs = Buffer.alloc(64);
  facs.write("FACS", "latin1");
  facs.writeUInt32LE(facs.length, header.length);
  const [fixed, apics] = [fadt(), madt()];
  const fadtAt = facs.length;
  const madtAt = fadtAt + aligned(fixed.length);
  const rsdtAt = madtAt + aligned(apics.length);
  const dsdtAt = rsdtAt + 64;
  // The loader adds the address of the file to each pointer. Until then, a pointer is an offset in the file.
  fixed.writeUInt32LE(0, 36); // FIRMWARE_CTRL: the FACS
  fixed.writeUInt32LE(dsdtAt, 40); // DSDT
  const pointers = Buffer.alloc(8);
  pointers.writeUInt32LE(fadtAt);
  pointers.writeUInt32LE(madtAt, 4);
  const list = descriptionTable("RSDT", 1, pointers);
  // The loader computes the checksums of what it changes. It adds to the bytes that are there.
  for (const changed of [fixed, list]) changed.writeUInt8(0, header.checksum);
  const padded = (table: Buffer): Buffer => Buffer.concat([table, Buffer.alloc(aligned(table.length) - table.length)]);
  const root = Buffer.alloc(20); // section 5.2.5.3, revision 0
  root.write("RSD PTR ", "latin1");
  root.write("HALHAL", 9, "latin1");
  root.writeUInt32LE(rsdtAt, 16);
  const loader = [
    allocate(rsdp, 16, 2),
    allocate(tables, 64, 1),
    ...[fadtAt + 36, fadtAt + 40, rsdtAt + HEADER_SIZE, rsdtAt + HEADER_SIZE + 4].map((offset) => addPointer(tables, tables, offset)),
    addChecksum(tables, fadtAt + header.checksum, fadtAt, fixed.length),
    addChecksum(tables, rsdtAt + header.checksum, rsdtAt, list.length),
    addPointer(rsdp, tables, 16),
    addChecksum(rsdp, 8, 0, root.length),
  ];
  return {
    [tables]: Buffer.concat([
      facs,
      padded(fixed),
      padded(apics),
      padded(list),
      descriptionTable("DSDT", 2, Buffer.concat([powerOff, aml])),
    ]),
    [rsdp]: root,
    "etc/table-loader": Buffer.concat(loader),
  };
}

/** The next multiple of 64, the alignment of the FACS (section 5.2.10). */
function aligned(size: number): number {
  return Math.ceil(size / 64) * 64;
}

/** One command of the loader: 128 bytes, a number and its operands (QEMU hw/acpi/bios-linker-loader.c, BiosLinkerLoaderEntry). */
function command(number: number, write: (operands: Buffer) => void): Buffer {
  const entry = Buffer.alloc(128);
  entry.writeUInt32LE(number);
  write(entry.subarray(4));
  return entry;
}

/** @param zone 1: any address below 4 GiB, 2: the BIOS area, where the kernel looks for the RSDP */
function allocate(file: string, alignment: number, zone: 1 | 2): Buffer {
  return command(1, (operands) => {
    operands.write(file, "latin1");
    operands.writeUInt32LE(alignment, 56);
    operands.writeUInt8(zone, 60);
  });
}

function addPointer(file: string, target: string, offset: number): Buffer {
  return command(2, (operands) => {
    operands.write(file, "latin1");
    operands.write(target, 56, "latin1");
    operands.writeUInt32LE(offset, 112);
    operands.writeUInt8(4, 116);
  });
}

function addChecksum(file: string, offset: number, start: number, length: number): Buffer {
  return command(3, (operands) => {
    operands.write(file, "latin1");
    operands.writeUInt32LE(offset, 56);
    operands.writeUInt32LE(start, 60);
    operands.writeUInt32LE(length, 64);
  });
}
