import { existsSync } from "node:fs";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { isKernel } from "../bundle/documents.js";
import { binaries, eifName, files, initrdName } from "../bundle/files.js";
import { cmdlineBytes } from "../codecs/cmdline.js";
import { readNewc, trailerPath } from "../codecs/cpio.js";
import { type EifSigner, readCertificate, readKey, signingKey } from "../codecs/eif-signer.js";
import { type EifContents, writeEif } from "../codecs/eif-write.js";
import { gunzipWhole } from "../codecs/gzip.js";
import { HalError } from "../lib/errors.js";
import { inSandbox } from "../lib/namespace.js";
import { readKeyFile, readRegular } from "../lib/regular-file.js";
import { runCommand } from "../lib/tools.js";
import { version } from "../lib/version.js";
import { enclavePcr0 } from "../measure/nitro/pcrs.js";
import type { Resolved } from "../model/resolved.js";
import { type Collected, requireFileInside } from "./collect.js";

/** The paths of a root's boot part, which PCR1 covers: early boot and the kernel's modules. PCR2 covers the rest, the application. */
const BOOT_PART = /^(\.|init|dev(\/.*)?|proc|sys|run|lib|usr|usr\/lib|usr\/lib\/modules(\/.*)?|lib\/modules(\/.*)?)$/;

/** The size of the largest buffer of Node.js. A larger root is refused. */
export const MAX_ROOT_BYTES = 2 ** 32 - 1;

/**
 * The ramdisks of a root's archive, not compressed: the boot part, then the application.
 * @throws HalError "input" as `readNewc`, and for a file with names in both parts, because the second part would contain it without bytes
 */
export function enclaveParts(root: Uint8Array): readonly [Uint8Array, Uint8Array] {
  const boot: Uint8Array[] = [];
  const application: Uint8Array[] = [];
  const partOf = new Map<string, boolean>();
  for (const { path, links, bytes } of readNewc(root, binaries.rootArchive)) {
    const isBoot = BOOT_PART.test(path.replace(/^\.\//, ""));
    if (links !== undefined && (partOf.get(links) ?? isBoot) !== isBoot)
      throw new HalError("input", `${path} is a hard link between the boot part and the application of an enclave`, {
        at: { file: binaries.rootArchive },
        remedy: "use a copy or a symbolic link",
      });
    if (links !== undefined) partOf.set(links, isBoot);
    if (isBoot || path === trailerPath) boot.push(bytes);
    if (!isBoot || path === trailerPath) application.push(bytes);
  }
  return [Buffer.concat(boot), Buffer.concat(application)];
}

/** The parts of an EIF. With a signer, it contains a signature over PCR 0 of its other parts. */
export async function eifOf(contents: Omit<EifContents, "signature">, signer: EifSigner | undefined): Promise<readonly Uint8Array[]> {
  if (signer === undefined) return writeEif(contents);
  const { signEif } = await import("../codecs/eif-signature.js");
  const pcr0 = enclavePcr0({ ...contents, cmdline: cmdlineBytes(contents.cmdline) });
  return writeEif({ ...contents, signature: signEif(pcr0, signer) });
}

/**
 * Adds the enclave image of a RAM root to the artifacts. As in AWS's own images, the first ramdisk is the boot part and the
 * second is the application; the kernel unpacks both into one root.
 */
export async function addEif(collected: Collected, resolved: Resolved, signer: EifSigner | undefined): Promise<Collected> {
  const { dir, cmdline, prepared } = collected;
  const initrd = join(dir, initrdName("ram", "gzip"));
  const root = gunzipWhole(await readFile(initrd), initrd, MAX_ROOT_BYTES);
  const parts = enclaveParts(root);
  const work = join(prepared.workspace.workDir, "eif");
  await rm(work, { recursive: true, force: true });
  await mkdir(work, { recursive: true });
  const ramdisks = [];
  for (const [index, part] of parts.entries()) ramdisks.push(await compress(join(work, `ramdisk${index}`), part, prepared.hostDir));
  const metadata = {
    imageName: resolved.name,
    imageVersion: String(resolved.profile.sourceDateEpoch),
    buildTime: resolved.profile.sourceDateEpoch,
    buildTool: "hal",
    buildToolVersion: version,
    operatingSystem: "Linux",
    kernelVersion: prepared.packages.find(isKernel)?.version ?? resolved.profile.kernel.version,
  };
  const eif = await eifOf({ kernel: await readFile(join(dir, files.kernel)), cmdline, ramdisks, metadata }, signer);
  await writeFile(join(dir, eifName(resolved.name)), Buffer.concat(eif));
  await rm(work, { recursive: true, force: true });
  return collected;
}

/**
 * Compresses with the backend's gzip if there is one, because the output differs between versions of a compressor. A
 * Buildroot build made that gzip, so it is a program of the profile.
 */
export async function compress(file: string, bytes: Uint8Array, hostDir: string): Promise<Uint8Array> {
  await writeFile(file, bytes);
  const own = join(hostDir, "bin/gzip");
  const gzip = { tool: existsSync(own) ? own : "gzip", args: ["-6n", "--force", file] };
  await runCommand(inSandbox(gzip, { ids: "one", read: existsSync(hostDir) ? [hostDir] : [], write: [dirname(file)] }));
  await requireFileInside(`${file}.gz`);
  return readFile(`${file}.gz`);
}

export interface SignerOptions {
  readonly now?: Date;
  /** Called with a problem that does not stop the build but would stop the enclave. */
  readonly warn?: (text: string) => void;
}

/**
 * Reads the signer of enclave images from two PEM files: an EC P-384 key and its certificate. The current date does not
 * change the result, so an old image can be built again.
 * @throws HalError "input" for a file that is not such a key or certificate, and for a key and a certificate that do not match
 */
export async function readSigner(
  keyFile: string,
  certificateFile: string,
  { now = new Date(), warn }: SignerOptions = {},
): Promise<EifSigner> {
  const signer = {
    key: await readKeyFile(keyFile),
    certificate: (await readRegular(certificateFile, { most: MOST_PEM_BYTES })).toString("utf8"),
  };
  inFile(keyFile, () => readKey(signer.key));
  const { validFrom, validTo } = inFile(certificateFile, () => readCertificate(signer.certificate));
  inFile(certificateFile, () => signingKey(signer));
  if (now < new Date(validFrom) || now > new Date(validTo))
    warn?.(`${certificateFile}: is valid from ${validFrom} to ${validTo}; on other days nitro-cli refuses an enclave signed with it`);
  return signer;
}

/** Bytes; far more than a certificate in PEM has. */
const MOST_PEM_BYTES = 64 * 1024;

function inFile<T>(file: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof HalError)) throw error;
    throw new HalError(error.kind, error.message, { at: { file }, cause: error, ...(error.remedy && { remedy: error.remedy }) });
  }
}
