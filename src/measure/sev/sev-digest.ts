import { createHash, hash } from "node:crypto";
import { apResetEip, type Firmware, hashesTableGpa } from "../../codecs/ovmf.js";
import type { Measured } from "../steps.js";
import { cpuSignature } from "./cpu-models.js";
import { hashesTable, hashesTableSize, type KernelHashes } from "./hashes-table.js";
import { checkGuestFeatures, checkVcpus, vcpuPages } from "./vcpus.js";

/** The data of one LAUNCH_UPDATE_DATA or LAUNCH_UPDATE_VMSA. */
interface Piece {
  readonly data: Uint8Array;
  readonly what: string;
  readonly from: string;
  readonly gpa?: bigint;
}

export interface SevLaunch {
  readonly firmware: Firmware;
  /** Direct kernel boot with `kernel-hashes=on`. */
  readonly kernel?: KernelHashes;
}

export interface SevEsLaunch extends SevLaunch {
  readonly vcpus: number;
  /** A name for QEMU's `-cpu`. */
  readonly cpuModel: string;
  /** SEV_FEATURES of every vCPU. It is 0 unless the host's kernel sets a bit, such as DebugSwap, 0x20. */
  readonly guestFeatures: bigint;
}

/**
 * GCTX.LD of a SEV guest: SHA-256 over the firmware and the hashes table (SEV API 55766, LAUNCH_UPDATE_DATA; QEMU target/i386/sev.c).
 * LAUNCH_MEASURE returns an HMAC of it with the session's key, the policy and a nonce.
 */
export function sevLaunchDigest(launch: SevLaunch): Measured {
  return measure(dataPieces(launch));
}

/** GCTX.LD of a SEV-ES guest: as for SEV, then the VMSA of every vCPU, bootstrap processor first (SEV API 55766, LAUNCH_UPDATE_VMSA). */
export function sevEsLaunchDigest(launch: SevEsLaunch): Measured {
  checkVcpus(launch.vcpus);
  checkGuestFeatures(launch.guestFeatures, "sev-es");
  const vcpus = vcpuPages(launch.vcpus, apResetEip(launch.firmware), cpuSignature(launch.cpuModel), launch.guestFeatures);
  return measure([...dataPieces(launch), ...vcpus.map(({ page, what }) => ({ data: page, what, from: "vcpus" }))]);
}

function dataPieces({ firmware, kernel }: SevLaunch): readonly Piece[] {
  const { reader, gpa } = firmware;
  const code = { data: reader.bytes, what: "firmware", from: "firmware", gpa };
  if (kernel === undefined) return [code];
  const table = hashesTableGpa(firmware, hashesTableSize);
  if (table === undefined) {
    throw reader.error(
      reader.length,
      "firmware",
      "has no kernel hashes table, so a directly booted kernel is not measured and cannot be predicted",
    );
  }
  const what = "SHA-256 of command line, initrd and kernel";
  return [code, { data: hashesTable(kernel), what, from: "kernel, initrd, cmdline", gpa: table }];
}

function measure(pieces: readonly Piece[]): Measured {
  const digest = createHash("sha256");
  for (const { data } of pieces) digest.update(data);
  return {
    digest: digest.digest("hex"),
    // A getter, because it hashes everything a second time.
    get steps() {
      return pieces.map(({ data, ...piece }) => ({
        register: "launchDigest",
        ...piece,
        digest: hash("sha256", data, "hex"),
        size: data.length,
      }));
    },
  };
}
