import { ByteReader } from "../lib/bytes.js";
import { type IgvmHeader, readIgvmHeaders } from "./igvm-headers.js";
import { gpaLimit, pageSize } from "./x86.js";

const largePageSize = 2 * 1024 * 1024;
/** QEMU allocates every parameter area. A table that a loader fills in needs far less. */
const maxAreaSize = 16 * 1024 * 1024;

/** IgvmPlatformType, by number. */
const platformTypes = ["native", "vsm", "sev-snp", "tdx", "sev", "sev-es", "cca"] as const;
/** IgvmPageDataType, by number. CPUID_DATA and CPUID_XF are launched in the same way. */
const pageTypes = ["normal", "secrets", "cpuid", "cpuid"] as const;
const pageFlags = { large: 1, unmeasured: 2, shared: 4 } as const;

export interface IgvmPlatform {
  readonly type: (typeof platformTypes)[number];
  /** One bit. Headers that apply to this platform have it in their mask. */
  readonly mask: number;
}

interface Loaded {
  readonly mask: number;
  readonly gpa: bigint;
  /** Bytes of guest memory. */
  readonly size: number;
  /** Offset of the header's body in the file, for errors. */
  readonly offset: number;
}

/** Something that enters guest memory at launch. */
export type IgvmDirective =
  | (Loaded & {
      readonly kind: "page";
      readonly type: (typeof pageTypes)[number];
      readonly unmeasured: boolean;
      readonly shared: boolean;
      /** Absent for a page of zeros. */
      readonly data?: Uint8Array;
    })
  | (Loaded & { readonly kind: "parameters" })
  | (Loaded & {
      readonly kind: "vpContext";
      readonly vpIndex: number;
      /** Up to 4096 bytes, fewer at the end of the file. Its structure depends on the platform. */
      readonly data: Uint8Array;
    });

export interface IgvmFile {
  readonly reader: ByteReader;
  readonly platforms: readonly IgvmPlatform[];
  /** Guest policies, as in SNP_LAUNCH_START and in an ID block. */
  readonly policies: readonly { readonly mask: number; readonly policy: bigint }[];
  /** Launch digests (hex) that ID blocks inside the file require. */
  readonly idBlocks: readonly { readonly mask: number; readonly launchDigest: string }[];
  /** Bit set of the platforms for which the loader may move memory. */
  readonly relocatable: number;
  /** In file order. */
  readonly directives: readonly IgvmDirective[];
}

/**
 * Reads an IGVM file, format version 1 (microsoft/igvm, igvm_defs). A kind "input" error at its offset for anything that igvm_defs does
 * not allow, for a reference outside of the file, and for a reference that contradicts another one.
 */
export function readIgvm(bytes: Uint8Array, file: string): IgvmFile {
  const reader = new ByteReader(bytes, file);
  const { headers, dataStart } = readIgvmHeaders(reader);
  const of = (kind: IgvmHeader["kind"]) => headers.filter((header) => header.kind === kind);
  const platforms = readPlatforms(of("supported platform"));
  const declared = platforms.reduce((all, { mask }) => all | mask, 0);
  for (const header of headers) checkMask(header, declared);
  return {
    reader,
    platforms,
    policies: of("guest policy").map(({ body, mask }) => ({ mask, policy: body.u64(0, "IGVM guest policy") })),
    idBlocks: of("SNP ID block").map(({ body, mask }) => ({ mask, launchDigest: hex(body.slice(8, 48, "IGVM SNP ID block")) })),
    relocatable: [...of("relocatable region"), ...of("page table relocation")].reduce((all, { mask }) => all | mask, 0),
    directives: readDirectives(headers, dataReader(reader, dataStart)),
  };
}

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

function readPlatforms(headers: readonly IgvmHeader[]): readonly IgvmPlatform[] {
  const structure = "IGVM supported platform";
  const platforms: IgvmPlatform[] = [];
  for (const { body, mask } of headers) {
    const typeNumber = body.u8(5, structure);
    const type = platformTypes[typeNumber];
    if (type === undefined) throw body.error(5, structure, `type ${typeNumber} is not known`);
    if (mask === 0 || (mask & (mask - 1)) !== 0) throw body.error(0, structure, `compatibility mask 0x${mask.toString(16)} is not one bit`);
    if (body.u16(6, structure) !== 1)
      throw body.error(6, structure, `version ${body.u16(6, structure)} is not supported; hal reads version 1`);
    if (platforms.some((platform) => platform.mask === mask || platform.type === type)) {
      throw body.error(0, structure, `a second platform of type ${type} or with mask 0x${mask.toString(16)}`);
    }
    platforms.push({ type, mask });
  }
  return platforms;
}

const maskless: ReadonlySet<IgvmHeader["kind"]> = new Set(["parameter area", "parameter"]);

/** The mask of a header must name declared platforms only, and at least one. */
function checkMask({ kind, body, mask }: IgvmHeader, declared: number): void {
  if (maskless.has(kind)) return;
  if (mask === 0 || (mask & ~declared) !== 0) {
    throw body.error(0, `IGVM ${kind}`, `compatibility mask 0x${mask.toString(16)} names no declared platform`);
  }
}

function readDirectives(headers: readonly IgvmHeader[], data: DataReader): readonly IgvmDirective[] {
  const areas = new ParameterAreas();
  return headers.flatMap((header): readonly IgvmDirective[] => {
    switch (header.kind) {
      case "parameter area":
        areas.declare(header, data);
        return [];
      case "parameter":
        areas.use(header);
        return [];
      case "parameter insert":
        return [areas.insert(header)];
      case "page data":
        return [readPage(header, data)];
      case "VP context":
        return [readVpContext(header, data)];
      default:
        return [];
    }
  });
}

/** Reads the file data that the u32 at `at` of a header's body refers to: up to `size` bytes, at least `least`. */
type DataReader = (body: ByteReader, at: number, size: number, structure: string, least?: number) => Uint8Array;

function dataReader(reader: ByteReader, dataStart: number): DataReader {
  return (body, at, size, structure, least = size) => {
    const offset = body.u32(at, structure);
    if (offset < dataStart) throw body.error(at, structure, `data at 0x${offset.toString(16)} overlaps the headers`);
    return reader.slice(offset, Math.max(least, Math.min(size, reader.length - offset)), `${structure} data`);
  };
}

/** The state of the parameter areas. A file declares an area, fills it with parameters and inserts it once. */
class ParameterAreas {
  /** The size of each area that is not inserted yet. */
  readonly #open = new Map<number, number>();
  readonly #declared = new Set<number>();

  declare({ body }: IgvmHeader, data: DataReader): void {
    const structure = "IGVM parameter area";
    const size = body.u64(0, structure);
    const index = body.u32(8, structure);
    if (size === 0n || size % BigInt(pageSize) !== 0n || size > BigInt(maxAreaSize)) {
      throw body.error(0, structure, `size 0x${size.toString(16)} is not a number of pages up to ${maxAreaSize} bytes`);
    }
    if (this.#declared.has(index)) throw body.error(8, structure, `a second area ${index}`);
    if (body.u32(12, structure) !== 0) data(body, 12, Number(size), structure);
    this.#declared.add(index);
    this.#open.set(index, Number(size));
  }

  use({ body }: IgvmHeader): void {
    const structure = "IGVM parameter";
    const size = this.#size(body, 0, structure);
    const offset = body.u32(4, structure);
    if (offset >= size) throw body.error(4, structure, `offset ${offset} is outside its area of ${size} bytes`);
  }

  insert({ body, mask }: IgvmHeader): IgvmDirective {
    const structure = "IGVM parameter insert";
    const size = this.#size(body, 12, structure);
    this.#open.delete(body.u32(12, structure));
    return { kind: "parameters", mask, gpa: address(body, structure, size), size, offset: body.base };
  }

  #size(body: ByteReader, at: number, structure: string): number {
    const index = body.u32(at, structure);
    const size = this.#open.get(index);
    if (size === undefined) throw body.error(at, structure, `area ${index} is not declared before it, or is already inserted`);
    return size;
  }
}

function readPage({ body, mask }: IgvmHeader, data: DataReader): IgvmDirective {
  const structure = "IGVM page data";
  const flags = body.u32(16, structure);
  const typeNumber = body.u16(20, structure);
  const type = pageTypes[typeNumber];
  if (flags > (pageFlags.large | pageFlags.unmeasured | pageFlags.shared)) {
    throw body.error(16, structure, `flags 0x${flags.toString(16)} are not known`);
  }
  if (type === undefined) throw body.error(20, structure, `type ${typeNumber} is not known`);
  const size = (flags & pageFlags.large) === 0 ? pageSize : largePageSize;
  const empty = body.u32(12, structure) === 0;
  if (size === largePageSize && !empty) throw body.error(12, structure, "a 2 MiB page with data, which loaders interpret differently");
  return {
    kind: "page",
    mask,
    gpa: address(body, structure, size, size),
    size,
    offset: body.base,
    type,
    unmeasured: (flags & pageFlags.unmeasured) !== 0,
    shared: (flags & pageFlags.shared) !== 0,
    ...(empty ? {} : { data: data(body, 12, pageSize, structure) }),
  };
}

function readVpContext({ body, mask }: IgvmHeader, data: DataReader): IgvmDirective {
  const structure = "IGVM VP context";
  return {
    kind: "vpContext",
    mask,
    gpa: address(body, structure, pageSize),
    size: pageSize,
    offset: body.base,
    vpIndex: body.u16(16, structure),
    data: data(body, 12, pageSize, structure, 1),
  };
}

/** Reads the guest physical address of a directive. It must be aligned, and all of the memory must be inside 52 bits. */
function address(body: ByteReader, structure: string, size: number, alignment = pageSize): bigint {
  const gpa = body.u64(0, structure);
  if (gpa % BigInt(alignment) !== 0n) throw body.error(0, structure, `address 0x${gpa.toString(16)} is not aligned to ${alignment} bytes`);
  if (gpa + BigInt(size) > gpaLimit) throw body.error(0, structure, `address 0x${gpa.toString(16)} is beyond 52 bits`);
  return gpa;
}
