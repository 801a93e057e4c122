import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { HalError } from "../errors.js";
import { measureFile } from "../measure/banks.js";
import { predictVtpm } from "../measure/vtpm.js";
import { qemuVersion } from "../run.js";
import { runCommand } from "../tools.js";
import type { Check } from "./expect.js";
import { inScratch, type ProveOptions } from "./prove.js";
import type { Subject } from "./subject.js";
import { compareTpm, readTpm, withTpmProbe } from "./tpm.js";

/** Debian's ovmf package: the one firmware whose generation the host can tell. */
const FIRMWARE = "/usr/share/ovmf/OVMF.fd";
const GiB = 2 ** 30;
/** A root in RAM is there compressed and unpacked at the same time. */
const UNPACKED = 6;

/**
 * Boots the image's kernel, command line and initrd with OVMF and a software TPM, and compares every predicted
 * PCR in every bank with what the TPM held when the first process started.
 */
export async function proveTpm(subject: Subject, { accel, signal }: ProveOptions): Promise<Check[]> {
  const { launch, dir } = subject;
  const kernel = join(dir, launch.kernel?.path ?? "bzImage");
  const version = await firmwareVersion();
  const [major, minor] = await qemuVersion();
  return inScratch(dir, async (scratch) => {
    // The probe is part of the initrd that boots, so the prediction is for that one.
    const initrd = join(scratch, "initrd");
    await writeFile(initrd, await withTpmProbe(await readFile(join(dir, launch.initrd?.path ?? "")), launch.cmdline));
    const measured = await measureFile(initrd);
    const memory = Math.ceil(1 + (UNPACKED * measured.size) / GiB) * GiB;
    const { values } = predictVtpm({
      boot: "direct",
      kernel: { file: kernel, bytes: await readFile(kernel) },
      initrd: measured,
      cmdline: launch.cmdline,
      memory,
      qemuVersion: `${major}.${minor}`,
      firmwareVersion: version,
    });
    const reading = await readTpm(
      { boot: "direct", kernel, initrd, cmdline: launch.cmdline },
      { firmware: FIRMWARE, memory, accel, ...(signal === undefined ? {} : { signal }) },
    );
    return compareTpm(values, reading).map(({ register, bank, predicted, read, equal }) => ({
      name: `${register} ${bank}`,
      ok: equal,
      expected: predicted,
      found: read,
    }));
  });
}

async function firmwareVersion(): Promise<string> {
  const { exitCode, stdout } = await runCommand(
    { tool: "dpkg-query", args: ["--show", "--showformat=${Version}", "ovmf"] },
    { allowFailure: true },
  );
  if (exitCode === 0 && stdout !== "") return stdout;
  throw new HalError("tool", "hal test --tpm needs Debian's ovmf package", { remedy: "apt-get install ovmf" });
}
