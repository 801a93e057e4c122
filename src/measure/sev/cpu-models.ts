import { HalError } from "../../lib/errors.js";
import { nearest } from "../../lib/nearest.js";

interface CpuGeneration {
  /** Names for QEMU's `-cpu` (target/i386/cpu.c, builtin_x86_defs; up to QEMU 11.1). Versions change features, never the signature. */
  readonly names: readonly string[];
  readonly family: number;
  readonly model: number;
  readonly stepping: number;
}

const versions = (name: string, count: number): readonly string[] => [
  name,
  ...Array.from({ length: count }, (_, i) => `${name}-v${i + 1}`),
];

const generations: readonly CpuGeneration[] = [
  { names: [...versions("EPYC", 5), "EPYC-IBPB"], family: 23, model: 1, stepping: 2 },
  { names: versions("EPYC-Rome", 5), family: 23, model: 49, stepping: 0 },
  { names: versions("EPYC-Milan", 4), family: 25, model: 1, stepping: 1 },
  { names: versions("EPYC-Genoa", 3), family: 25, model: 17, stepping: 0 },
  { names: versions("EPYC-Turin", 2), family: 26, model: 0, stepping: 0 },
];

/** The QEMU CPU models for which hal predicts SEV-ES and SEV-SNP launches. */
export const cpuModels: readonly string[] = generations.flatMap(({ names }) => names);

/**
 * CPUID Fn0000_0001_EAX of a QEMU CPU model (AMD CPUID Specification 25481). QEMU puts it into RDX of every vCPU at launch.
 * A kind "input" error for `host`, whose signature depends on the machine, and for unknown models.
 */
export function cpuSignature(cpuModel: string): number {
  const generation = generations.find(({ names }) => names.includes(cpuModel));
  if (generation === undefined) {
    const close = nearest(cpuModel, cpuModels);
    throw new HalError("input", `CPU model ${cpuModel}: its signature is not known, so its launch cannot be predicted`, {
      remedy: close === undefined ? `Known models: ${cpuModels.join(", ")}.` : `Did you mean ${close}?`,
    });
  }
  const { family, model, stepping } = generation;
  const extendedFamily = family - 15;
  return (extendedFamily << 20) | ((model >> 4) << 16) | (15 << 8) | ((model & 15) << 4) | stepping;
}
