import { type Bank, bankSizes } from "../lib/banks.js";
import { ByteReader } from "../lib/bytes.js";
import { describeEvent } from "./eventlog-names.js";

/** TPM_ALG_ID of the banks that hal supports (TCG Algorithm Registry). */
const algorithms: Readonly<Record<number, Bank>> = { 4: "sha1", 11: "sha256", 12: "sha384" };
const noAction = 3;
const highestPcr = 23;
/** CCEL counts MRTD as register 0 (UEFI Specification 38.4.1, "TD measurement register index"). */
const highestMr = 4;
const signature = "Spec ID Event03\0";
const localitySignature = "StartupLocality\0";
const maxAlgorithms = 16;

/** `tpm`: the file binary_bios_measurements, about the PCRs of a TPM. `ccel`: the log of the ACPI table CCEL, about the RTMRs of a TD. */
export type EventLogKind = "tpm" | "ccel";

export interface LoggedEvent {
  /** `pcr4`, `rtmr1`, `mrtd`. */
  readonly register: string;
  readonly type: number;
  /** A description: the name of the type, and the data if it is text. */
  readonly what: string;
  readonly digests: Readonly<Partial<Record<Bank, string>>>;
  /** False for EV_NO_ACTION, which extends no register. */
  readonly extends: boolean;
  readonly offset: number;
}

export interface EventLog {
  readonly kind: EventLogKind;
  readonly banks: readonly Bank[];
  readonly events: readonly LoggedEvent[];
  /** The locality that started the TPM. PCR 0 starts with this value. */
  readonly startupLocality: number;
}

/**
 * Reads a crypto-agile event log (TCG PC Client Platform Firmware Profile 10.2, TCG_PCR_EVENT2; 10.4.5.1, Spec ID Event). The log of a TD
 * may end with unused bytes, all 0xff or all 0x00 (UEFI Specification 38.4; ACPI, table CCEL).
 * Throws a kind "input" error at the offset of anything malformed.
 */
export function readEventLog(bytes: Uint8Array, file: string, kind: EventLogKind): EventLog {
  const reader = new ByteReader(bytes, file);
  const first = readSpecId(reader);
  const events: LoggedEvent[] = [];
  let startupLocality = 0;
  let offset = first.end;
  while (offset < reader.length && !(kind === "ccel" && isUnused(reader, offset))) {
    const event = readEvent(reader, offset, first.sizes, kind);
    events.push(event.logged);
    if (event.logged.type === noAction) startupLocality = localityOf(reader, event) ?? startupLocality;
    offset = event.end;
  }
  const known = [...first.sizes.keys()].flatMap((id) => algorithms[id] ?? []);
  return { kind, banks: known, events, startupLocality };
}

/** Reads the first event. It has the old form (TCG_PCClientPCREvent) and lists the algorithms and digest sizes of all other events. */
function readSpecId(reader: ByteReader): { readonly sizes: ReadonlyMap<number, number>; readonly end: number } {
  const structure = "event log's first event";
  if (reader.u32(4, structure) !== noAction) throw reader.error(4, structure, "is not EV_NO_ACTION: not a crypto-agile event log");
  const size = reader.u32(28, structure);
  const event = reader.sub(32, size, structure);
  if (Buffer.from(event.slice(0, 16, structure)).toString("latin1") !== signature)
    throw event.error(0, structure, "is not a Spec ID Event03");
  const count = event.u32(24, structure);
  if (count === 0 || count > maxAlgorithms) throw event.error(24, structure, `${count} algorithms; 1 to ${maxAlgorithms} are allowed`);
  const sizes = new Map<number, number>();
  for (let index = 0; index < count; index++) {
    const at = 28 + index * 4;
    const id = event.u16(at, structure);
    const digestSize = event.u16(at + 2, structure);
    const bank = algorithms[id];
    if (sizes.has(id)) throw event.error(at, structure, `algorithm 0x${id.toString(16)} appears twice`);
    if (digestSize === 0 || digestSize > 64 || (bank !== undefined && bankSizes[bank] !== digestSize)) {
      throw event.error(at + 2, structure, `digests of ${digestSize} bytes for algorithm 0x${id.toString(16)}`);
    }
    sizes.set(id, digestSize);
  }
  const vendor = 28 + count * 4;
  if (vendor + 1 + event.u8(vendor, structure) !== size)
    throw event.error(vendor, structure, "its vendor information does not end at the end of the event");
  return { sizes, end: 32 + size };
}

function readEvent(reader: ByteReader, offset: number, sizes: ReadonlyMap<number, number>, kind: EventLogKind) {
  const structure = "event";
  const index = reader.u32(offset, structure);
  const highest = kind === "tpm" ? highestPcr : highestMr;
  if (index > highest) throw reader.error(offset, structure, `register ${index}; the highest is ${highest}`);
  const type = reader.u32(offset + 4, structure);
  const count = reader.u32(offset + 8, structure);
  if (count !== sizes.size) throw reader.error(offset + 8, structure, `${count} digests, but the log has ${sizes.size} algorithms`);
  const digests: Partial<Record<Bank, string>> = {};
  const seen = new Set<number>();
  let at = offset + 12;
  for (let i = 0; i < count; i++) {
    const id = reader.u16(at, structure);
    const size = sizes.get(id);
    if (size === undefined || seen.has(id))
      throw reader.error(at, structure, `a second digest of algorithm 0x${id.toString(16)}, or the log does not list this algorithm`);
    seen.add(id);
    const bank = algorithms[id];
    const digest = reader.slice(at + 2, size, structure);
    if (bank !== undefined) digests[bank] = Buffer.from(digest).toString("hex");
    at += 2 + size;
  }
  const size = reader.u32(at, structure);
  const data = reader.slice(at + 4, size, structure);
  const logged: LoggedEvent = {
    register: registerName(index, kind),
    type,
    what: describeEvent(type, data),
    digests,
    extends: type !== noAction,
    offset: reader.base + offset,
  };
  return { logged, data, end: at + 4 + size };
}

function registerName(index: number, kind: EventLogKind): string {
  if (kind === "tpm") return `pcr${index}`;
  return index === 0 ? "mrtd" : `rtmr${index - 1}`;
}

function isUnused(reader: ByteReader, offset: number): boolean {
  const rest = reader.slice(offset, reader.length - offset, "event log");
  const filler = rest[0];
  return (filler === 0xff || filler === 0) && rest.every((byte) => byte === filler);
}

function localityOf(reader: ByteReader, { data, end }: { readonly data: Uint8Array; readonly end: number }): number | undefined {
  if (data.length !== 17 || Buffer.from(data.subarray(0, 16)).toString("latin1") !== localitySignature) return undefined;
  const locality = reader.u8(end - 1, "StartupLocality event");
  if (![0, 3, 4].includes(locality)) throw reader.error(end - 1, "StartupLocality event", `locality ${locality} is not 0, 3 or 4`);
  return locality;
}
