import { existsSync } from "node:fs";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { isKernel } from "../bundle/documents.js";
import { binaries, eifName, files, initrdName } from "../bundle/files.js";
import { type EifSigner, readCertificate, readKey, signingKey } from "../codecs/eif-signature.js";
import { writeEif } from "../codecs/eif-write.js";
import { ByteReader } from "../lib/bytes.js";
import { HalError } from "../lib/errors.js";
import { runCommand } from "../lib/tools.js";
import { version } from "../lib/version.js";
import type { Resolved } from "../model/resolved.js";
import type { Collected } from "./collect.js";

/** The paths of a root's boot part, which PCR1 covers: early boot and the kernel's modules. PCR2 covers the rest, the application. */
const BOOT_PART = /^(\.|init|dev(\/.*)?|proc|sys|run|lib|usr|usr\/lib|usr\/lib\/modules(\/.*)?|lib\/modules(\/.*)?)$/;

/** The size of the largest buffer of Node.js. A larger root is refused. */
export const MAX_ROOT_BYTES = 2 ** 32 - 1;

/** The ramdisks of a root's archive, not compressed: the boot part, then the application. */
export function enclaveParts(root: Uint8Array): readonly [Uint8Array, Uint8Array] {
  return splitArchive(root, (path) => BOOT_PART.test(path));
}

/**
 * Adds the enclave image of a RAM root to the artifacts. As in AWS's own images, the first ramdisk is the boot part and the
 * second is the application; the kernel unpacks both into one root.
 */
export async function addEif(collected: Collected, resolved: Resolved, signer: EifSigner | undefined): Promise<Collected> {
  const { dir, cmdline, prepared } = collected;
  const root = gunzipSync(await readFile(join(dir, initrdName("ram", "gzip"))), { maxOutputLength: MAX_ROOT_BYTES });
  const parts = enclaveParts(root);
  const work = join(prepared.buildDir, "hal-eif");
  await rm(work, { recursive: true, force: true });
  await mkdir(work, { recursive: true });
  const ramdisks = [];
  for (const [index, part] of parts.entries()) ramdisks.push(await compress(join(work, `ramdisk${index}`), part, prepared.hostDir));
  const eif = writeEif({
    kernel: await readFile(join(dir, files.kernel)),
    cmdline,
    ramdisks,
    metadata: {
      imageName: resolved.name,
      imageVersion: String(resolved.profile.sourceDateEpoch),
      buildTime: resolved.profile.sourceDateEpoch,
      buildTool: "hal",
      buildToolVersion: version,
      operatingSystem: "Linux",
      kernelVersion: prepared.packages.find(isKernel)?.version ?? resolved.profile.kernel.version,
    },
    ...(signer === undefined ? {} : { signer }),
  });
  await writeFile(join(dir, eifName(resolved.name)), Buffer.concat(eif));
  await rm(work, { recursive: true, force: true });
  return collected;
}

/** Compresses with the backend's own gzip where it has one: the output differs between versions of a compressor. */
async function compress(file: string, bytes: Uint8Array, hostDir: string): Promise<Uint8Array> {
  await writeFile(file, bytes);
  const own = join(hostDir, "bin/gzip");
  await runCommand({ tool: existsSync(own) ? own : "gzip", args: ["-6n", "--force", file] });
  return readFile(`${file}.gz`);
}

const HEADER_BYTES = 110;
const TRAILER = "TRAILER!!!";

/**
 * Splits a cpio archive (newc: Linux Documentation/driver-api/early-userspace/buffer-format.rst) by path. The bytes of
 * the entries stay as they are.
 * @returns the archive of the chosen entries, and the archive of all others
 */
function splitArchive(archive: Uint8Array, chosen: (path: string) => boolean): readonly [Uint8Array, Uint8Array] {
  const reader = new ByteReader(archive, binaries.rootArchive);
  const parts: [Uint8Array[], Uint8Array[]] = [[], []];
  const aligned = (offset: number): number => Math.ceil(offset / 4) * 4; // bit operations fail beyond 2 GiB
  for (let offset = 0; ; ) {
    const header = Buffer.from(reader.slice(offset, HEADER_BYTES, "cpio header")).toString("latin1");
    if (!/^07070[12][0-9A-Fa-f]{104}$/.test(header)) throw reader.error(offset, "cpio header", "is not of the newc format");
    const field = (index: number): number => Number.parseInt(header.slice(6 + 8 * index, 14 + 8 * index), 16);
    const [size, nameSize] = [field(6), field(11)];
    const name = Buffer.from(reader.slice(offset + HEADER_BYTES, nameSize, "cpio name"))
      .toString("utf8")
      .replace(/\0+$/, "");
    const data = aligned(offset + HEADER_BYTES + nameSize);
    const end = aligned(data + size);
    const entry = reader.slice(offset, Math.min(end, reader.length) - offset, "cpio entry");
    if (name === TRAILER) {
      for (const part of parts) part.push(entry);
      return [Buffer.concat(parts[0]), Buffer.concat(parts[1])];
    }
    parts[chosen(name.replace(/^\.\//, "")) ? 0 : 1].push(entry);
    offset = end;
  }
}

export interface SignerOptions {
  readonly now?: Date;
  /** Called with a problem that does not stop the build but would stop the enclave. */
  readonly warn?: (text: string) => void;
}

/**
 * Reads the signer of enclave images from two PEM files: an EC P-384 key and its certificate. The date changes no byte, so
 * an old image can be built again.
 * @throws HalError "input" for a file that is not such a key or certificate, and for two that do not belong together
 */
export async function readSigner(
  keyFile: string,
  certificateFile: string,
  { now = new Date(), warn }: SignerOptions = {},
): Promise<EifSigner> {
  const signer = { key: await readPem(keyFile), certificate: await readPem(certificateFile) };
  inFile(keyFile, () => readKey(signer.key));
  const { validFrom, validTo } = inFile(certificateFile, () => readCertificate(signer.certificate));
  inFile(certificateFile, () => signingKey(signer));
  if (now < new Date(validFrom) || now > new Date(validTo))
    warn?.(`${certificateFile}: is valid from ${validFrom} to ${validTo}; on other days nitro-cli refuses an enclave signed with it`);
  return signer;
}

function inFile<T>(file: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof HalError)) throw error;
    throw new HalError(error.kind, error.message, { at: { file }, cause: error, ...(error.remedy && { remedy: error.remedy }) });
  }
}

async function readPem(file: string): Promise<string> {
  return readFile(file, "utf8").catch((error: NodeJS.ErrnoException) => {
    throw new HalError("input", `cannot be read: ${error.code}`, { at: { file } });
  });
}
