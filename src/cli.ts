import { availableParallelism } from "node:os";
import { Command, InvalidArgumentError, Option } from "commander";
import { version } from "./lib/version.js";

/** A whole number in a range, or commander's own error. */
function integer(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^[0-9]+$/.test(text) || value < least || value > most) throw new InvalidArgumentError(`a whole number from ${least} to ${most}`);
    return value;
  };
}

const append = (value: string, earlier: readonly string[] = []): string[] => [...earlier, value];
const set = (): Option =>
  new Option("--set <key.path=value>", "override a value of the profile; again for more").argParser(append).default([]);
const json = (): Option => new Option("--json", "print JSON");
const backend = (): Option =>
  new Option("-b, --backend <backend>", "where kernel and root tree come from").choices(["buildroot", "debian"]).default("buildroot");
const buildrootTree = (): Option => new Option("--buildroot <dir>", "a Buildroot tree of yours");

/**
 * The command line. Each command's code is loaded when it runs, so that `hal list` does not pay for `hal build`.
 * @param interruption for commands that have something to put away: the signal that is aborted when the user interrupts. All others
 * end at once.
 */
export function program(interruption: () => AbortSignal): Command {
  const hal = new Command("hal")
    .description("One YAML profile to a confidential-VM image: kernel, verified root, launch metadata, reference measurements.")
    .version(version)
    .exitOverride()
    .showHelpAfterError("(hal --help lists the commands)");

  hal
    .command("list")
    .description("profiles, layouts and features, one line each")
    .addOption(json())
    .action(async (options) => (await import("./commands/list.js")).list(options));

  hal
    .command("show")
    .description("the resolved profile")
    .argument("<profile>", "a profile's name or YAML file")
    .option("--origin", "the file:line that each value came from")
    .addOption(json())
    .addOption(set())
    .action(async (profile, options) => (await import("./commands/show.js")).show(profile, options));

  hal
    .command("check")
    .description("schema and semantic check; with a Buildroot tree, the Kconfig gate")
    .argument("[profiles...]", "profiles by name or YAML file; all of them when none is given")
    .addOption(backend())
    .addOption(buildrootTree())
    .option("--allow-version", "accept a Buildroot tree of another version than the profile names")
    .option("--defconfig <file>", "run the gate on a defconfig of anybody's instead of a profile")
    .addOption(new Option("--external <dir>", "with --defconfig: an external tree; again for more").argParser(append).default([]))
    .addOption(json())
    .addOption(set())
    .action(async (profiles, options) => (await import("./commands/check.js")).check(profiles, { ...options, signal: interruption() }));

  hal
    .command("render")
    .description("write the Buildroot external tree of a profile")
    .argument("<profile>", "a profile's name or YAML file")
    .requiredOption("-o, --output <dir>", "where to write it")
    .addOption(set())
    .action(async (profile, options) => (await import("./commands/render.js")).render(profile, options));

  hal
    .command("build")
    .description("build an image: kernel, root, launch metadata, reference measurements")
    .addOption(new Option("-p, --profile <profile>", "what to build; again for more").argParser(append).makeOptionMandatory())
    .addOption(backend())
    .option("-o, --out <dir>", "the directory that contains the image directories", "out")
    .addOption(buildrootTree())
    .option("--allow-version", "accept a Buildroot tree of another version than the profile names")
    .option("-j, --jobs <n>", "parallel jobs", integer(1, 1024), availableParallelism())
    .option("--offline", "do not use the network", false)
    .option("--update", "take the newest packages instead of those of the last build", false)
    .option("--release", "refuse what must not be released: debug, platform none, left-out features", false)
    .addOption(
      new Option("--until <stage>", "buildroot: stop after a stage").choices(["configure", "toolchain", "kernel", "rootfs", "images"]),
    )
    .option("--shell", "buildroot: a shell in the build's environment instead of a build", false)
    .option("--eif-key <file>", "nitro: sign the enclave image with this EC P-384 key (PEM)")
    .option("--eif-certificate <file>", "nitro: the key's certificate (PEM)")
    .option("--verbose", "show the output of the tools", false)
    .option("--dry-run", "check everything and print the steps, without building", false)
    .addOption(json())
    .addOption(set())
    .action(async (options) => (await import("./commands/build.js")).buildAll({ ...options, signal: interruption() }));

  hal
    .command("fetch")
    .description("download everything that a buildroot build needs into one directory, for a machine without a network")
    .addOption(new Option("-p, --profile <profile>", "for what; again for more").argParser(append).makeOptionMandatory())
    .requiredOption("-o, --output <dir>", "the download directory (BR2_DL_DIR)")
    .addOption(buildrootTree())
    .option("--allow-version", "accept a Buildroot tree of another version than the profile names")
    .addOption(set())
    .action(async (options) => (await import("./commands/fetch.js")).fetchSources({ ...options, signal: interruption() }));

  hal
    .command("make")
    .description("run make in the Buildroot build of a profile: hal make dev -- busybox-menuconfig")
    .argument("<profile>", "a profile's name or YAML file")
    .argument("[targets...]", "make targets and variables")
    .option("-o, --out <dir>", "the directory that contains the image directories", "out")
    .addOption(buildrootTree())
    .option("--allow-version", "accept a Buildroot tree of another version than the profile names")
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
      new Option("--format <format>", "with --print: the form")
        .choices(["qemu", "shell", "libvirt", "cocos-env", "nitro-cli"])
        .default("qemu"),
    )
    .addOption(new Option("--accel <accel>", "acceleration").choices(["auto", "kvm", "tcg"]).default("auto"))
    .addOption(new Option("--platform <platform>", "none: without the TEE").choices(["none"]))
    .addOption(new Option("--share <tag=dir>", "the directory of a share; again for more").argParser(append).default([]))
    .option("--id-key <file>", "SEV-SNP: sign an ID block over the predicted digest with this EC P-384 key (PEM)")
    .option("--author-key <file>", "SEV-SNP: sign the ID key with this EC P-384 key (PEM)")
    .addOption(json())
    .action(async (dir, options) => (await import("./commands/run.js")).run(dir, { ...options, signal: interruption() }));

  hal
    .command("test")
    .description("boot an image and check from inside the guest what its layout promises")
    .argument("<dir>", "image directory of a build, such as out/sev-snp")
    .option("--hostile", "boot damaged copies instead: the guest must never use damaged data", false)
    .addOption(new Option("--case <name>", "with --hostile: only this case; again for more").argParser(append).default([]))
    .option("--tpm", "boot with OVMF and a TPM instead: the TPM must have every predicted PCR value", false)
    .addOption(new Option("--boot <boot>", "with --tpm: start the unified kernel image of the disk with -kernel").choices(["uki-kernel"]))
    .option("--save <dir>", "with --tpm: save the event log, the PCRs and the file with the TPM probe")
    .addOption(new Option("--accel <accel>", "acceleration").choices(["auto", "kvm", "tcg"]).default("auto"))
    .addOption(json())
    .action(async (dir, options) => (await import("./commands/test.js")).test(dir, { ...options, signal: interruption() }));

  hal
    .command("verify")
    .description("recompute every claim of an image directory: digests, root hash, launch command, measurements")
    .argument("<dir>", "image directory of a build, such as out/sev-snp")
    .option("--eventlog <file>", "compare a TCG2 or CCEL event log with the prediction")
    .option("--registers <file>", "with --eventlog: a file with the reported values; the log must replay to them")
    .addOption(new Option("--platform <platform>", "with --eventlog: none, if the machine has no TEE").choices(["none"]))
    .option("--initrd <file>", "with --eventlog: the initrd, if it is not the image's")
    .option("--uki <file>", "with --eventlog: the unified kernel image, if it is not the image's")
    .option("--memory <size>", "with --eventlog: RAM, if it is not the profile's")
    .option("--qemu-version <version>", "with --eventlog: QEMU release")
    .option("--firmware-version <version>", "with --eventlog: edk2 release")
    .addOption(json())
    .action(async (dir, options) => (await import("./commands/verify.js")).verify(dir, options));

  hal
    .command("measure")
    .description("reference measurements, from the artifacts alone")
    .argument("[dir]", "image directory of a build; or give the files below")
    .addOption(new Option("--platform <platform>", "only this platform").choices(["sev", "sev-es", "sev-snp", "tdx", "vtpm", "nitro"]))
    .option("--firmware <file>", "OVMF")
    .option("--firmware-version <version>", "its edk2 release, such as 2025.02")
    .option("--igvm <file>", "IGVM file")
    .option("--kernel <file>", "kernel; with --boot uki-disk or uki-kernel, the unified kernel image")
    .addOption(new Option("--initrd <file>", "initrd; again for more").argParser(append).default([]))
    .option("--cmdline <text>", "kernel command line")
    .option("--eif <file>", "Nitro enclave image")
    .option("--uki <file>", "unified kernel image")
    .option("--disk <file>", "disk image with the UKI, for its partition table (PCR 5)")
    .option("--vcpus <n>", "virtual CPUs; 1,2,4,8 for several")
    .option("--cpu-model <model>", "QEMU CPU model")
    .option("--guest-features <hex>", "SEV_FEATURES of the VMSA")
    .option("--memory <size>", "RAM")
    .option("--qemu-version <version>", "QEMU release, such as 10.0")
    .addOption(new Option("--boot <boot>", "how the kernel is started").choices(["direct", "uki-disk", "uki-kernel"]))
    .addOption(new Option("--pass-order <order>", "order of the TDX MRTD").choices(["single", "two"]))
    .option("--native-zero", "IGVM: zero pages by the processor's own page type", false)
    .option("--explain", "every event or page that enters each register", false)
    .option("--diff <dir>", "compare with another image directory: which registers differ, and why")
    .addOption(json())
    .action(async (dir, options) => (await import("./commands/measure.js")).measure(dir, options));

  hal
    .command("doctor")
    .description("which host tools are missing, and the command that installs them")
    .option("--install", "install them", false)
    .addOption(json())
    .action(async (options) => (await import("./commands/doctor.js")).doctor(options));

  hal
    .command("schema")
    .description("the JSON Schema of a kind, for editors")
    .argument("[kind]", "profile, layout, feature, launch, …")
    .action(async (kind) => (await import("./commands/schema.js")).schema(kind));

  // Not inherited by subcommands that were made before it.
  for (const command of hal.commands) command.exitOverride();
  return hal;
}
