import { execFile } from "node:child_process";
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { cocosEnvironment } from "../../src/launch/cocos-env.js";
import { formats } from "../../src/launch/formats.js";
import { libvirtXml } from "../../src/launch/libvirt.js";
import { nitroArgv } from "../../src/launch/nitro-cli.js";
import { qemuArgv } from "../../src/launch/qemu.js";
import { shellScript } from "../../src/launch/shell.js";
import { withoutTee } from "../../src/launch/without-tee.js";
import { HalError } from "../../src/lib/errors.js";
import { runCommand } from "../../src/lib/tools.js";
import type { Launch } from "../../src/model/generated.js";
import { launchOf, ownFirmware } from "./fixture.js";

const run = promisify(execFile);
const shares = { env_share: "/env", certs_share: "/certs" };

/** A folder name with characters that are special to QEMU, the shell, XML, systemd and sed. */
const HOSTILE = `a,b;c d'e"f$HOME\`g\`&<h>#i%j\\k=l,,{m}`;

let dir: string;
beforeAll(async () => {
  dir = join(await mkdtemp(join(tmpdir(), "hal-launch-")), HOSTILE);
  await mkdir(join(dir, "bin"), { recursive: true });
  // Prints each of its arguments on one line.
  await writeFile(join(dir, "bin", "qemu-system-x86_64"), '#!/bin/sh\nprintf "%s\\n" "$@"\n');
  await chmod(join(dir, "bin", "qemu-system-x86_64"), 0o755);
});
afterAll(() => rm(join(dir, ".."), { recursive: true, force: true }));

describe("shell", () => {
  test("starts the command of launch.json, with the values of the variables", async () => {
    const launch = await launchOf("sev-snp-ram", [], ownFirmware);
    const script = join(dir, "start.sh");
    await writeFile(script, shellScript(launch));
    const share = join(dir, "en,v"); // QEMU must receive this comma doubled.
    await mkdir(share, { recursive: true });
    const { stdout } = await run("sh", [script], {
      env: { PATH: `${join(dir, "bin")}:${process.env.PATH}`, ENV_PATH: share, CERTS_PATH: dir },
    });
    const doubled = { env_share: share, certs_share: dir };
    expect(stdout.trimEnd().split("\n")).toEqual(qemuArgv(launch, { shares: doubled }).slice(1));
  });

  test("runs in the image's folder from any working directory", async () => {
    const launch = await launchOf("dev");
    const script = join(dir, "pwd.sh");
    await writeFile(join(dir, "bin", "qemu-system-x86_64"), "#!/bin/sh\npwd\n");
    await writeFile(script, shellScript(launch));
    expect((await run("sh", [script], { cwd: "/", env: { PATH: `${join(dir, "bin")}:${process.env.PATH}` } })).stdout.trimEnd()).toBe(dir);
    await writeFile(script, shellScript(launch, { base: dir }));
    expect(
      (
        await run("sh", ["-c", `cat "$1" | sh`, "sh", script], { cwd: "/", env: { PATH: `${join(dir, "bin")}:${process.env.PATH}` } })
      ).stdout.trimEnd(),
    ).toBe(dir);
  });

  test.each([["dash"], ["bash"], ["bash", "--posix"], ["busybox", "sh"]])(
    "%s %s: runs the same command for any characters in paths",
    async (shell, ...more) => {
      const launch = await launchOf("sev-snp-ram", [], ownFirmware);
      const script = join(dir, "hostile.sh");
      await writeFile(join(dir, "bin", "qemu-system-x86_64"), `#!/bin/sh\nprintf '%s\\n' "$PWD" "$@"\n`);
      for (const name of [HOSTILE, "-n", "$(touch x)", "new\nline", "end\n", "*?[a]", "#h ~"]) {
        const folder = join(dir, "shares", name);
        await mkdir(folder, { recursive: true });
        await writeFile(script, shellScript(launch, { base: folder }));
        const env = { PATH: `${join(dir, "bin")}:${process.env.PATH}`, ENV_PATH: folder, CERTS_PATH: name };
        const { stdout } = await run(shell, [...more, script], { cwd: join(dir, "shares"), env });
        const word = (id: string) => `local,id=${id},path=${folder.replaceAll(",", ",,")},security_model=mapped\n`;
        expect(stdout.startsWith(`${folder}\n-enable-kvm\n`), name).toBe(true);
        expect(stdout, name).toContain(word("fs0"));
        expect(stdout, name).toContain(word("fs1"));
      }
    },
  );

  test.each([
    { profile: "sev-snp-ram", set: [], words: ["igvm-cfg,id=igvm0,file=CODE"] },
    { profile: "tdx-ram", set: [], words: ["-bios", "PLAIN"] },
    {
      profile: "sev",
      set: ["boot=uki", "launch.firmware.path=/x", "launch.firmware.vars=/y", "launch.shares=[]"],
      words: ["if=pflash,format=raw,unit=0,file=CODE,readonly=on", "if=pflash,format=raw,unit=1,file=VARS,snapshot=on"],
    },
  ])("$profile: reads the firmware that the launcher gives from variables", async ({ profile, set, words }) => {
    const script = join(dir, "firmware.sh");
    await writeFile(join(dir, "bin", "qemu-system-x86_64"), '#!/bin/sh\nprintf "%s\\n" "$@"\n');
    await writeFile(script, shellScript(await launchOf(profile, set)));
    const [code, vars] = [join(dir, "co,de $x"), join(dir, "va'rs")];
    const env = { PATH: `${join(dir, "bin")}:${process.env.PATH}`, ENV_PATH: dir, CERTS_PATH: dir };
    const { stdout } = await run("sh", [script], { env: { ...env, FIRMWARE: code, FIRMWARE_VARS: vars } });
    const doubled = (path: string) => path.replaceAll(",", ",,");
    for (const word of words)
      expect(stdout.split("\n")).toContain(
        word
          .replace("CODE", () => doubled(code))
          .replace("VARS", () => doubled(vars))
          .replace("PLAIN", () => code),
      );
    await expect(run("sh", [script], { env })).rejects.toMatchObject({ stderr: expect.stringContaining("FIRMWARE: firmware file") });
  });

  test("stops and names the share that has no directory", async () => {
    const script = join(dir, "missing.sh");
    await writeFile(script, shellScript(await launchOf("sev-snp-ram", [], ownFirmware)));
    await expect(run("sh", [script], { env: { PATH: process.env.PATH ?? "", ENV_PATH: dir } })).rejects.toMatchObject({
      stderr: expect.stringContaining("CERTS_PATH: directory of share certs_share"),
    });
  });

  test.each(["sev-snp", "sev-snp-ram", "tdx-ram", "sev", "dev"])("%s: passes shellcheck", async (profile) => {
    const { stdout, exitCode } = await runCommand(
      { tool: "shellcheck", args: ["-s", "sh", "-"] },
      { input: shellScript(await launchOf(profile)), allowFailure: true },
    );
    expect({ exitCode, stdout }).toEqual({ exitCode: 0, stdout: "" });
  });
});

/** libvirt's own schema: the installed one, and that of a newer release, which knows SEV-SNP and TDX. */
const schema = "/usr/share/libvirt/schemas/domain.rng";
const newerSchema = process.env.HAL_LIBVIRT_SCHEMAS;

async function libvirtErrors(xml: string, schema: string): Promise<string> {
  const { exitCode, stderr } = await runCommand(
    { tool: "xmllint", args: ["--noout", "--relaxng", schema, "-"] },
    { input: xml, allowFailure: true },
  );
  return exitCode === 0 ? "" : stderr;
}

describe("libvirt", () => {
  // The definition in libvirt's schema that each profile needs. Old releases of libvirt do not have it.
  const since: Readonly<Record<string, RegExp>> = {
    "sev-snp": /launchSecuritySEVSNP/,
    "sev-snp-ram": /launchSecuritySEVSNP/,
    tdx: /launchSecurityTDX/,
    "tdx-ram": /launchSecurityTDX/,
  };

  const profiles = ["sev-snp", "sev-snp-ram", "sev", "tdx", "tdx-ram", "dev"];
  const expectValid = async (profile: string, against: string): Promise<void> => {
    const launch = await launchOf(profile, [], ownFirmware);
    expect(await libvirtErrors(libvirtXml(withoutTee(launch), { shares }), against)).toBe("");
    const common = await readFile(against.replace("domain.rng", "domaincommon.rng"), "utf8");
    if (since[profile]?.test(common) ?? true) expect(await libvirtErrors(libvirtXml(launch, { shares }), against)).toBe("");
  };

  test.each(profiles)("%s is valid against libvirt's schema", (profile) => expectValid(profile, schema));

  test.for(profiles)("%s is valid against the schema of a newer libvirt", async (profile, { skip }) => {
    skip(newerSchema === undefined, "HAL_LIBVIRT_SCHEMAS is not set (the path of a newer libvirt's domain.rng)");
    await expectValid(profile, newerSchema ?? "");
  });

  test("xmllint rejects an element that the schema does not have", async () => {
    const xml = libvirtXml(await launchOf("dev", [], ownFirmware)).replace("<memory ", "<memroy ");
    expect(await libvirtErrors(xml, schema)).not.toBe("");
  });

  test("writes virtiofs, vsock and flash with variables", async () => {
    const launch = await launchOf(
      "sev",
      [
        "boot=uki",
        "launch.firmware.path=/fw/CODE.fd",
        "launch.firmware.vars=/fw/VARS.fd",
        "launch.vsock.cid=9",
        "launch.shares=[{tag: data, type: virtiofs}]",
      ],
      { firmware: { sha256: "f".repeat(64), vars: { sha256: "f".repeat(64) } } },
    );
    const xml = libvirtXml(launch, { base: "/image", shares: { data: "/run/data.sock" } });
    expect(await libvirtErrors(xml, schema)).toBe("");
    expect(xml).toContain('<nvram template="/image/firmware.vars.fd"/>');
    expect(xml).toContain('<source socket="/run/data.sock"/>');
    expect(xml).not.toContain("<kernel>");
  });

  test("escapes the special characters of XML", async () => {
    const launch: Launch = { ...(await launchOf("dev", [], ownFirmware)), cmdline: `a="<&>'b" ]]> &amp;` };
    const xml = libvirtXml(launch, { base: dir });
    const read = async (path: string) =>
      (await runCommand({ tool: "xmllint", args: ["--xpath", `string(${path})`, "-"] }, { input: xml })).stdout.replace(/\n$/, "");
    expect(await read("/domain/os/cmdline")).toBe(launch.cmdline);
    expect(await read("/domain/os/kernel")).toBe(join(dir, "bzImage"));
    expect(await libvirtErrors(xml, schema)).toBe("");
  });

  test("refuses characters that XML cannot contain, and shares without a directory", async () => {
    expect(() => libvirtXml({ ...minimal(), cmdline: "a\u0001b" })).toThrow(/XML cannot contain/);
    expect(() => libvirtXml({ ...minimal(), cmdline: "a\ud800b" })).toThrow(/XML cannot contain/);
    expect(() => libvirtXml({ ...minimal(), shares: [{ tag: "x", type: "9p", variable: "X_PATH" }] })).toThrow(/share x has no directory/);
  });
});

describe("cocos-env", () => {
  test("writes the settings of kernel boot", async () => {
    const text = cocosEnvironment(await launchOf("sev-snp-ram", [], ownFirmware), { base: "/etc/cocos" });
    expect(text).toContain(
      "MANAGER_QEMU_DISK_IMG_KERNEL_FILE=/etc/cocos/bzImage\nMANAGER_QEMU_DISK_IMG_ROOTFS_FILE=/etc/cocos/rootfs.cpio.gz\n",
    );
    expect(text).toContain('MANAGER_QEMU_KERNEL_CMDLINE="console=null quiet"\n');
    expect(text).toContain("MANAGER_QEMU_ENABLE_DISK=false\n");
    expect(text).toContain("MANAGER_QEMU_IGVM_FILE=/etc/cocos/firmware.igvm\n");
  });

  test("writes a comment for each option that some or all managers do not support", async () => {
    const text = cocosEnvironment(await launchOf("tdx-ram", [], ownFirmware));
    expect(text).toContain("MANAGER_QEMU_VSOCK_GUEST_CID=6\n");
    expect(text).toMatch(/^# vsock: only releases of Cocos Manager before August 2025/m);
    expect(text).toMatch(/^# The manager has no setting for: -no-reboot, -monitor unix:monitor$/m);
    expect(text).toContain("MANAGER_QEMU_MACHINE=q35,kernel_irqchip=split,hpet=off\n");
    const none = cocosEnvironment(await launchOf("dev", ["boot=uki", "launch.firmware.package=ovmf"], ownFirmware));
    expect(none).toMatch(/^# Firmware: the manager starts its default OVMF from flash, instead of the image's firmware.fd.$/m);
    expect(none).not.toContain("OVMF_FILE");
  });

  test("writes the settings of disk boot", async () => {
    const text = cocosEnvironment(await launchOf("tdx", ["boot=uki"], ownFirmware));
    expect(text).toContain("MANAGER_QEMU_ENABLE_DISK=true\nMANAGER_QEMU_SRC_DISK_FILE=disk.qcow2\n");
    expect(text).not.toContain("KERNEL");
  });

  test("writes only names that the manager reads", async () => {
    const known = new Set(managerSettings);
    for (const [profile, set] of [
      ["sev-snp-ram", []],
      ["tdx-ram", []],
      ["tdx", ["boot=uki"]],
      ["tdx-ram", ["platform=none"]],
    ] as const) {
      for (const line of cocosEnvironment(await launchOf(profile, set, ownFirmware)).split("\n")) {
        if (line !== "" && !line.startsWith("#")) expect(known).toContain(line.slice("MANAGER_QEMU_".length, line.indexOf("=")));
      }
    }
  });

  test("the shell reads back the same values", async () => {
    const launch = { ...(await launchOf("tdx-ram", [], ownFirmware)), cmdline: `a="b c" $d \`e\` \\f 'g' #h` };
    const file = join(dir, "manager.env");
    await writeFile(file, cocosEnvironment(launch, { base: dir }));
    const { stdout } = await run("sh", [
      "-c",
      '. "$1"; printf "%s\\n%s" "$MANAGER_QEMU_KERNEL_CMDLINE" "$MANAGER_QEMU_DISK_IMG_KERNEL_FILE"',
      "sh",
      file,
    ]);
    expect(stdout.split("\n")).toEqual([launch.cmdline, join(dir, "bzImage")]);
  });

  test.each([
    { profile: "sev-snp", set: [], message: /from a kernel or from a disk/ },
    { profile: "sev-snp-ram", set: ["launch.forwards=[{host: 1, guest: 2}, {host: 3, guest: 4}]"], message: /forwards only one port/ },
    { profile: "tdx-ram", set: ["launch.quoteGenerationSocket.cid=3"], message: /context id 2/ },
    { profile: "nitro", set: [], message: /cannot start a Nitro enclave/ },
    { profile: "sev", set: ["boot=uki"], message: /from flash with a variable store/ },
    { profile: "sev", set: ["layout=ram"], message: /neither kernel hashes nor a guest policy/ },
    { profile: "tdx-ram", set: ["launch.shares=[{tag: data}]"], message: /cannot share data over 9p/ },
    { profile: "tdx-ram", set: ["launch.shares=[{tag: env_share, type: virtiofs}]"], message: /cannot share env_share over virtiofs/ },
    { profile: "tdx-ram", set: ["launch.threads=2"], message: /one thread per core/ },
  ])("refuses $profile $set", async ({ profile, set, message }) => {
    const launch = await launchOf(profile, set, ownFirmware);
    expect(() => cocosEnvironment(launch)).toThrow(message);
  });

  test("refuses a path that the manager cannot pass to QEMU", async () => {
    const launch = await launchOf("sev-snp-ram", [], ownFirmware);
    expect(() => cocosEnvironment(launch, { base: "/a,b" })).toThrow(/it does not double commas/);
  });
});

describe("nitro-cli", () => {
  test("run-enclave with CPUs, memory in MiB, CID and the EIF", async () => {
    const launch = await launchOf("nitro");
    expect(nitroArgv(launch, { base: "/out" })).toEqual(
      "nitro-cli run-enclave --eif-path /out/nitro.eif --cpu-count 2 --memory 4096 --enclave-cid 16 --enclave-name nitro".split(" "),
    );
    expect(nitroArgv({ ...launch, debug: true })).toContain("--debug-mode");
    expect(formats.qemu(launch, {})).toContain("-machine nitro-enclave,vsock=vsock0,id=nitro");
  });

  test("refuses too little memory for the EIF, as nitro-cli does", async () => {
    const launch = await launchOf("nitro", ["launch.memory=256M"]);
    const withEif = (size: number) => nitroArgv({ ...launch, eif: { path: "nitro.eif", size, sha256: "e".repeat(64) } });
    expect(withEif(64 * 2 ** 20)).toContain("256");
    expect(() => withEif(64 * 2 ** 20 + 1)).toThrow("the enclave has 256 MiB of memory, and nitro-cli requires 4 times its EIF: 260 MiB");
  });

  test("refuses an image without an EIF", async () => {
    const { eif: _eif, ...launch } = await launchOf("nitro");
    expect(() => nitroArgv(launch)).toThrow(/has no EIF/);
  });
});

describe("hostile text", () => {
  test("QEMU opens the intended files", async () => {
    const { net: _net, ...launch } = withoutTee(
      await launchOf("sev", ["layout=hardened", "launch.memory=128M", "launch.maxCpus=4", "launch.memorySlots=1", "launch.maxMemory=256M"]),
    );
    await writeFile(join(dir, "disk.img"), Buffer.alloc(1 << 20));
    await writeFile(join(dir, "bzImage"), Buffer.alloc(4096, 0x90));
    await writeFile(join(dir, "initramfs.cpio.gz"), "x");
    const argv = qemuArgv(launch, {
      base: dir,
      accel: "tcg",
      cpuModel: "max",
      consoles: false,
      shares: { env_share: dir, certs_share: dir },
      extra: ["-S", "-qmp", "stdio"],
    });
    const words = argv.slice(1).filter((_word, index, all) => !loadsKernel(all, index));
    const input = '{"execute":"qmp_capabilities"}\n{"execute":"query-block"}\n{"execute":"quit"}\n';
    const { stdout, stderr, exitCode } = await runCommand(
      { tool: "qemu-system-x86_64", args: words },
      { input, allowFailure: true, timeout: 20_000 },
    );
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
    expect(stdout).toContain(JSON.stringify(join(dir, "disk.img")).slice(1, -1));
  });

  test.each(["a\nb", "a\u0000b", "a\u007fb", "a\u001b[2Jb"])("every format refuses control characters: %j", (text) => {
    expect(() => qemuArgv({ ...minimal(), cmdline: text })).toThrow(HalError);
    expect(() => shellScript({ ...minimal(), cmdline: text })).toThrow(HalError);
    expect(() => cocosEnvironment({ ...minimal(), cmdline: text })).toThrow(HalError);
    expect(() => libvirtXml({ ...minimal(), cmdline: text })).toThrow(HalError);
  });

  test("QEMU does not read a colon in a relative path as a protocol", () => {
    expect(
      qemuArgv({
        ...minimal(),
        drives: [{ id: "disk0", path: "nbd:x,y", size: 1, sha256: "0".repeat(64), format: "raw", snapshot: false }],
      }),
    ).toContain("file=./nbd:x,,y,if=none,id=disk0,format=raw");
  });
});

/** Whether a word belongs to an option that loads a kernel. The test has no valid kernel, so QEMU must not load one. */
function loadsKernel(words: readonly string[], index: number): boolean {
  const loads = ["-kernel", "-initrd", "-append"];
  return loads.includes(words[index] ?? "") || loads.includes(words[index - 1] ?? "");
}

function minimal(): Launch {
  return {
    schema: "hal.launch/v1",
    profile: "x",
    platform: "none",
    debug: false,
    boot: "direct",
    machine: { type: "q35", options: {} },
    cpu: { model: "max", count: 1 },
    memory: { size: "128M", bytes: 1 << 27 },
    kernel: { path: "bzImage", size: 1, sha256: "0".repeat(64) },
    cmdline: "",
    drives: [],
    shares: [],
    monitors: [],
    placeholders: [],
    argv: [],
    measurements: { file: "measurements.json", values: [], holdsFor: {} },
  };
}

/** The names in Cocos Manager's manager/qemu/config.go (2026-07). The names for SEV and the TEE are from the README of older releases. */
const managerSettings =
  `MEMORY_SIZE MEMORY_SLOTS MAX_MEMORY OVMF_CODE_IF OVMF_CODE_FORMAT OVMF_CODE_UNIT OVMF_CODE_FILE OVMF_CODE_READONLY OVMF_VERSION
  OVMF_VARS_IF OVMF_VARS_FORMAT OVMF_VARS_UNIT OVMF_VARS_FILE NETDEV_ID HOST_FWD_AGENT GUEST_FWD_AGENT VIRTIO_NET_PCI_DISABLE_LEGACY
  VIRTIO_NET_PCI_IOMMU_PLATFORM VIRTIO_NET_PCI_ADDR VIRTIO_NET_PCI_ROMFILE DISK_IMG_KERNEL_FILE DISK_IMG_ROOTFS_FILE SEV_SNP_ID
  SEV_SNP_CBIT_POS SEV_SNP_REDUCED_PHYS_BITS ENABLE_HOST_DATA HOST_DATA TDX_ID QUOTE_GENERATION_PORT OVMF_FILE IGVM_ID IGVM_FILE
  SRC_DISK_FILE DST_DISK_FILE DISK_ID DISK_FORMAT DISK_SCSI_ID ENABLE_DISK BIN_PATH USE_SUDO ENABLE_KVM MACHINE CPU SMP_COUNT SMP_MAXCPUS
  MEM_ID NO_GRAPHIC MONITOR KERNEL_CMDLINE HOST_FWD_RANGE CERTS_MOUNT ENV_MOUNT ENABLE_SEV_SNP ENABLE_TDX VSOCK_GUEST_CID`.split(/\s+/);
