import { availableParallelism } from "node:os";
import { Command, Help, InvalidArgumentError, Option } from "commander";
import { version } from "./lib/version.js";

/** A parser for a whole number from `least` to `most`; throws commander's error for any other text. */
function integer(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^[0-9]+$/.test(text) || value < least || value > most)
      throw new InvalidArgumentError(`must be a whole number from ${least} to ${most}`);
    return value;
  };
}

const append = (value: string, earlier: readonly string[] = []): string[] => [...earlier, value];
const repeatable = (flags: string, description: string): Option => new Option(flags, `${description} (repeatable)`).argParser(append);
const set = (): Option => repeatable("--set <key.path=value>", "override a value of the profile").default([]);
const allowOutside = (): Option =>
  new Option("--allow-outside", "accept files outside of the profile's own tree; for a profile that you trust");
const json = (): Option => new Option("--json", "print the result as JSON");
const backend = (): Option =>
  new Option("-b, --backend <backend>", "source of kernel and root filesystem").choices(["buildroot", "debian"]).default("buildroot");
const buildrootTree = (): Option => new Option("--buildroot <dir>", "your own Buildroot tree");

/**
 * The command line. A command's code is loaded when the command runs: `hal list` does not load `hal build`.
 * @param interruption returns a signal that aborts when the user interrupts hal. Only commands that must clean up call it; an interrupt
 * ends the other commands at once.
 */
export function program(interruption: () => AbortSignal): Command {
  const hal = new Command("hal")
    .description("Builds a confidential-VM image from a YAML profile: kernel, verified root, launch metadata, reference measurements.")
    .version(version)
    .exitOverride()
    .configureHelp({ optionDescription: (option) => new Help().optionDescription(option).replace(/ ?\(default: (?:false|\[\])\)$/, "") })
    .showHelpAfterError("(run 'hal --help' for the list of commands)");

  hal
    .command("list")
    .description("list profiles, layouts and features")
    .addOption(json())
    .action(async (options) => (await import("./commands/list.js")).list(options));

  hal
    .command("show")
    .description("print the resolved profile")
    .argument("<profile>", "name or YAML file of a profile")
    .option("--origin", "print the file and line of each value")
    .addOption(json())
    .addOption(allowOutside())
    .addOption(set())
    .action(async (profile, options) => (await import("./commands/show.js")).show(profile, options));

  hal
    .command("check")
    .description("check profiles; with --buildroot, also check that no Kconfig symbol is lost")
    .argument("[profiles...]", "names or YAML files of profiles (default: all)")
    .addOption(backend())
    .addOption(buildrootTree())
    .option("--allow-version", "accept a Buildroot tree whose version differs from the profile's")
    .option("--defconfig <file>", "check a defconfig instead of a profile")
    .addOption(repeatable("--external <dir>", "with --defconfig: an external tree, BR2_EXTERNAL").default([]))
    .addOption(json())
    .addOption(allowOutside())
    .addOption(set())
    .action(async (profiles, options) => (await import("./commands/check.js")).check(profiles, { ...options, signal: interruption() }));

  hal
    .command("render")
    .description("write the Buildroot external tree of a profile")
    .argument("<profile>", "name or YAML file of a profile")
    .requiredOption("-o, --output <dir>", "directory to write")
    .addOption(allowOutside())
    .addOption(set())
    .action(async (profile, options) => (await import("./commands/render.js")).render(profile, options));

  hal
    .command("build")
    .description("build an image with its launch metadata and reference measurements")
    .addOption(repeatable("-p, --profile <profile>", "profile to build").makeOptionMandatory())
    .addOption(backend())
    .option("-o, --out <dir>", "directory that contains the image directories", "out")
    .addOption(buildrootTree())
    .option("--allow-version", "accept a Buildroot tree whose version differs from the profile's")
    .option("-j, --jobs <n>", "number of parallel jobs", integer(1, 1024), availableParallelism())
    .option("--offline", "do not use the network", false)
    .option("--update", "use the newest packages instead of those of the last build", false)
    .option("--release", "refuse an image that is not fit for release (docs/boot.md)", false)
    .addOption(
      new Option("--until <stage>", "buildroot: stop after this stage").choices(["configure", "toolchain", "kernel", "rootfs", "images"]),
    )
    .option("--shell", "buildroot: start a shell in the build environment instead of a build", false)
    .option("--eif-key <file>", "nitro: sign the enclave image with this EC P-384 key (PEM)")
    .option("--eif-certificate <file>", "nitro: certificate of the key (PEM)")
    .option("--verbose", "print the output of the tools", false)
    .option("--dry-run", "check everything and print the steps, without building", false)
    .addOption(json())
    .addOption(allowOutside())
    .addOption(set())
    .action(async (options) => (await import("./commands/build.js")).buildAll({ ...options, signal: interruption() }));

  hal
    .command("fetch")
    .description("download all sources of a buildroot build, for a build without a network")
    .addOption(repeatable("-p, --profile <profile>", "profile to download for").makeOptionMandatory())
    .requiredOption("-o, --output <dir>", "download directory (BR2_DL_DIR)")
    .addOption(buildrootTree())
    .option("--allow-version", "accept a Buildroot tree whose version differs from the profile's")
    .addOption(allowOutside())
    .addOption(set())
    .action(async (options) => (await import("./commands/fetch.js")).fetchSources({ ...options, signal: interruption() }));

  hal
    .command("make")
    .description("run make in the Buildroot build of a profile, such as: hal make dev -- busybox-menuconfig")
    .argument("<profile>", "name or YAML file of a profile")
    .argument("[targets...]", "make targets and variables")
    .option("-o, --out <dir>", "directory that contains the image directories", "out")
    .addOption(buildrootTree())
    .option("--allow-version", "accept a Buildroot tree whose version differs from the profile's")
    .addOption(allowOutside())
    .addOption(set())
    .action(async (profile, targets, options) =>
      (await import("./commands/make.js")).make(profile, targets, { ...options, signal: interruption() }),
    );

  hal
    .command("run")
    .description("boot a built image, or print the command that boots it")
    .argument("<dir>", "image directory of a build, such as out/sev-snp")
    .option("--print", "print the command instead of running it", false)
    .addOption(
      new Option("--format <format>", "with --print: output format")
        .choices(["qemu", "shell", "libvirt", "cocos-env", "nitro-cli"])
        .default("qemu"),
    )
    .addOption(new Option("--accel <accel>", "accelerator").choices(["auto", "kvm", "tcg"]).default("auto"))
    .addOption(new Option("--platform <platform>", "none: boot without the TEE").choices(["none"]))
    .addOption(repeatable("--share <tag=dir>", "directory of a share").default([]))
    .addOption(
      repeatable("--forward <[address:]host:guest>", "forward a TCP port of this host to the guest (default address: 127.0.0.1)").default(
        [],
      ),
    )
    .addOption(repeatable("--monitor <monitor>", "QEMU monitor: pty or unix:PATH").default([]))
    .option("--firmware <file>", "firmware that the image does not contain, such as an IGVM file")
    .option("--firmware-vars <file>", "template of the variable store for that firmware")
    .option("--id-key <file>", "SEV-SNP: sign an ID block for the predicted launch digest with this EC P-384 key (PEM)")
    .option("--author-key <file>", "SEV-SNP: sign the ID key with this EC P-384 key (PEM)")
    .addOption(json())
    .action(async (dir, options) => (await import("./commands/run.js")).run(dir, { ...options, signal: interruption() }));

  hal
    .command("test")
    .description("boot an image in QEMU and check the promises of its layout from inside")
    .argument("<dir>", "image directory of a build, such as out/sev-snp")
    .option("--hostile", "boot damaged copies instead; the guest must never use damaged data", false)
    .option("--stress", "load the read-write partition for minutes, instead of seconds", false)
    .addOption(repeatable("--case <name>", "with --hostile: run only this case").default([]))
    .option("--tpm", "boot with OVMF and a TPM; every predicted PCR must equal the TPM's", false)
    .addOption(new Option("--boot <boot>", "with --tpm: start the disk's unified kernel image with -kernel").choices(["uki-kernel"]))
    .option("--save <dir>", "with --tpm: save the event log, the PCRs and the booted files")
    .addOption(new Option("--accel <accel>", "accelerator").choices(["auto", "kvm", "tcg"]).default("auto"))
    .addOption(json())
    .action(async (dir, options) => (await import("./commands/test.js")).test(dir, { ...options, signal: interruption() }));

  hal
    .command("verify")
    .description("recompute every claim of an image directory and compare")
    .argument("<dir>", "image directory of a build, such as out/sev-snp")
    .option("--eventlog <file>", "compare a TCG2 or CCEL event log with the prediction")
    .option("--registers <file>", "register values of a machine: compare them with the prediction, or with --eventlog also with the log")
    .addOption(new Option("--platform <platform>", "with --eventlog: none if the log is from a machine without the TEE").choices(["none"]))
    .option("--initrd <file>", "with --eventlog: initrd (default: the image's)")
    .option("--uki <file>", "with --eventlog: unified kernel image (default: the image's)")
    .option("--memory <size>", "with --eventlog: RAM size (default: the profile's)")
    .option("--qemu-version <version>", "with --eventlog: QEMU release, such as 10.0")
    .option("--firmware-version <version>", "with --eventlog: edk2 release, such as 2025.02")
    .addOption(json())
    .action(async (dir, options) => (await import("./commands/verify.js")).verify(dir, options));

  hal
    .command("measure")
    .description("print the reference measurements of an image or of single files")
    .argument("[dir]", "image directory of a build; without it, name the files with options")
    .addOption(
      new Option("--platform <platform>", "measure only this platform").choices(["sev", "sev-es", "sev-snp", "tdx", "vtpm", "nitro"]),
    )
    .option("--firmware <file>", "OVMF file")
    .option("--firmware-version <version>", "edk2 release of the firmware, such as 2025.02")
    .option("--igvm <file>", "IGVM file")
    .option("--kernel <file>", "kernel, or the unified kernel image with --boot uki-disk or uki-kernel")
    .addOption(repeatable("--initrd <file>", "initrd").default([]))
    .option("--cmdline <text>", "kernel command line")
    .option("--eif <file>", "Nitro enclave image")
    .option("--uki <file>", "unified kernel image")
    .option("--disk <file>", "disk image that contains the UKI; its partition table enters PCR 5")
    .option("--vcpus <n>", "number of virtual CPUs, or a list such as 1,2,4,8")
    .option("--cpu-model <model>", "QEMU CPU model")
    .option("--guest-features <hex>", "SEV_FEATURES of the VMSA")
    .option("--memory <size>", "RAM size, such as 8G")
    .option("--qemu-version <version>", "QEMU release, such as 10.0")
    .addOption(new Option("--boot <boot>", "way to start the kernel").choices(["direct", "uki-disk", "uki-kernel"]))
    .addOption(new Option("--pass-order <order>", "TDX: order of the pages in MRTD").choices(["single", "two"]))
    .option("--native-zero", "IGVM: measure pages of zeros with page type ZERO, as QEMU does", false)
    .option("--explain", "print every event or page that enters a register", false)
    .option("--diff <dir>", "compare with another image directory: print which registers differ and why")
    .addOption(json())
    .action(async (dir, options) => (await import("./commands/measure.js")).measure(dir, options));

  hal
    .command("doctor")
    .description("list missing host tools and print the command that installs them")
    .option("--install", "run that command", false)
    .addOption(json())
    .action(async (options) => (await import("./commands/doctor.js")).doctor(options));

  hal
    .command("schema")
    .description("print a JSON Schema, for editors")
    .argument("[kind]", "name of a schema: profile, layout, feature, … (default: list them)")
    .action(async (kind) => (await import("./commands/schema.js")).schema(kind));

  return hal;
}
