import { printable } from "../lib/errors.js";

/** Event types by number (TCG PC Client Platform Firmware Profile 10.4.1). */
const eventTypes: Readonly<Record<number, string>> = {
  0: "EV_PREBOOT_CERT",
  1: "EV_POST_CODE",
  3: "EV_NO_ACTION",
  4: "EV_SEPARATOR",
  5: "EV_ACTION",
  6: "EV_EVENT_TAG",
  7: "EV_S_CRTM_CONTENTS",
  8: "EV_S_CRTM_VERSION",
  9: "EV_CPU_MICROCODE",
  10: "EV_PLATFORM_CONFIG_FLAGS",
  11: "EV_TABLE_OF_DEVICES",
  12: "EV_COMPACT_HASH",
  13: "EV_IPL",
  14: "EV_IPL_PARTITION_DATA",
  15: "EV_NONHOST_CODE",
  16: "EV_NONHOST_CONFIG",
  17: "EV_NONHOST_INFO",
  2147483649: "EV_EFI_VARIABLE_DRIVER_CONFIG",
  2147483650: "EV_EFI_VARIABLE_BOOT",
  2147483651: "EV_EFI_BOOT_SERVICES_APPLICATION",
  2147483652: "EV_EFI_BOOT_SERVICES_DRIVER",
  2147483653: "EV_EFI_RUNTIME_SERVICES_DRIVER",
  2147483654: "EV_EFI_GPT_EVENT",
  2147483655: "EV_EFI_ACTION",
  2147483656: "EV_EFI_PLATFORM_FIRMWARE_BLOB",
  2147483657: "EV_EFI_HANDOFF_TABLES",
  2147483658: "EV_EFI_PLATFORM_FIRMWARE_BLOB2",
  2147483659: "EV_EFI_HANDOFF_TABLES2",
  2147483660: "EV_EFI_VARIABLE_BOOT2",
  2147483872: "EV_EFI_VARIABLE_AUTHORITY",
};

/** Types whose data starts with UEFI_VARIABLE_DATA. */
const variableTypes: ReadonlySet<string> = new Set([
  "EV_EFI_VARIABLE_DRIVER_CONFIG",
  "EV_EFI_VARIABLE_BOOT",
  "EV_EFI_VARIABLE_BOOT2",
  "EV_EFI_VARIABLE_AUTHORITY",
]);
const longest = 120;

/** The type of an event, with its data if that is text or names a variable. The data is only a hint: the digest may be of other bytes. */
export function describeEvent(type: number, data: Uint8Array): string {
  const name = eventTypes[type] ?? `event type 0x${type.toString(16)}`;
  const text = variableTypes.has(name) ? variableName(data) : plainText(data);
  return text === undefined ? name : `${name} '${text}'`;
}

function variableName(data: Uint8Array): string | undefined {
  if (data.length < 32) return undefined;
  const length = Buffer.from(data.buffer, data.byteOffset, data.length).readUInt32LE(16);
  return length > longest || 32 + length * 2 > data.length
    ? undefined
    : printable(Buffer.from(data.subarray(32, 32 + length * 2)).toString("utf16le"));
}

/** Data that is printable ASCII or UTF-16LE, with or without a final NUL. Linux's tagged events have a header of eight bytes before it. */
function plainText(data: Uint8Array): string | undefined {
  for (const bytes of [data, data.subarray(8)]) {
    const ascii = Buffer.from(bytes.subarray(0, longest)).toString("latin1").replace(/\0$/, "");
    if (/^[\x20-\x7e]{3,}$/.test(ascii)) return ascii;
    const wide = Buffer.from(bytes.subarray(0, 2 * longest))
      .toString("utf16le")
      .replace(/\0$/, "");
    if (/^[\x20-\x7e]{3,}$/.test(wide)) return wide;
  }
  return undefined;
}
