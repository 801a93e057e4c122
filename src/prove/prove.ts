import { addParameter } from "../codecs/cmdline.js";
import { boot } from "./boot.js";
import { bootConfig, copyDrives, initrdWithProbe, type ProveOptions, withScratchDir } from "./boot-config.js";
import { type Check, evaluate } from "./checks/index.js";
import { consoleOutput } from "./console.js";
import { type Figures, figuresOf, lastValue } from "./facts.js";
import type { ImageUnderTest } from "./image.js";
import { scanDisk } from "./scan-disk.js";

/** The result of `prove`. */
export interface Proof {
  readonly checks: readonly Check[];
  readonly figures: Figures;
  /** Wall-clock seconds of the boot. */
  readonly seconds: number;
  /** Console output of a second boot, if the probe did not finish in the first one. */
  readonly console?: string;
}

/** How much longer a boot with the whole load may take. */
const STRESS_FACTOR = 6;

/**
 * Boots the unchanged artifacts once, with the probe appended to the initrd, and checks every promise of the image. The guest writes to a
 * copy of the disk.
 * @throws HalError "tool" without QEMU or Debian's static busybox, "command" when QEMU fails
 */
export async function prove(image: ImageUnderTest, options: ProveOptions & { readonly stress?: boolean }): Promise<Proof> {
  return withScratchDir(image.dir, async (scratch) => {
    const drives = await copyDrives(image.dir, image.launch, scratch);
    const load = options.stress ? "stress" : "light";
    const common = bootConfig(image, options);
    const limit = common.seconds * (options.stress ? STRESS_FACTOR : 1);
    const config = { ...common, seconds: limit, drives, initrd: await initrdWithProbe(image, { load }), parallel: true };
    const { facts, console, ending, seconds } = await boot(config);
    const [disk] = Object.values(drives);
    const checks = evaluate(image.promises, { facts, console, ending, disk: disk === undefined ? undefined : await scanDisk(disk) });
    const result = { checks, figures: figuresOf(facts), seconds };
    if (lastValue(facts, "end") === "ok") return result;
    // The image writes nothing to its console. Boot it again with one: it shows why the boot failed.
    const again = await boot({ ...config, cmdline: addParameter(config.cmdline, "console=ttyS0") });
    return { ...result, console: consoleOutput(again.console) };
  });
}
