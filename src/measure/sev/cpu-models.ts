import { HalError } from "../../lib/errors.js";
import { nearest } from "../../lib/nearest.js";

interface CpuGeneration {
  /** The names that QEMU's `-cpu` takes (target/i386/cpu.c, builtin_x86_defs; up to QEMU 11.1); versions change features, never the signature. */
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

/** Every QEMU CPU model for which a SEV-ES or SEV-SNP launch can be predicted. */
export const cpuModels: readonly string[] = generations.flatMap(({ names }) => names);

/**
 * CPUID Fn0000_0001_EAX of a QEMU CPU model (AMD CPUID Specification 25481), which QEMU leaves in RDX of every vCPU at launch.
 * `host` and unknown models are a kind "input" error: their signature depends on the machine.
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
