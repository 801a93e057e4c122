import { readFileSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { afterEach, beforeAll, describe, expect, test } from "vitest";
import { checkDefconfig, type DefconfigReport, requestsOf } from "../../src/kconfig/check-defconfig.js";
import { readDotConfig } from "../../src/kconfig/dotconfig.js";
import type { FindingKind } from "../../src/kconfig/finding.js";
import { formatFinding } from "../../src/kconfig/format.js";
import { gate } from "../../src/kconfig/gate.js";
import { parseKconfig } from "../../src/kconfig/parse.js";
import { resolveBuildrootConfig, resolveKernelConfig } from "../../src/kconfig/resolve-config.js";
import { runCommand } from "../../src/lib/tools.js";
import { skipEach } from "../skip-each.js";
import { buildroot, directory, noBuildroot } from "./tree.js";

/** Lines that Buildroot 2025.02 and 2026.02 honour: the base of the wrong lines below. */
const GOOD = [
  "BR2_x86_64=y",
  "BR2_TOOLCHAIN_BUILDROOT_UCLIBC=y",
  'BR2_TARGET_GENERIC_HOSTNAME="a \\"b\\" c"',
  "BR2_PACKAGE_LIBPNG=y",
  "# BR2_TARGET_ROOTFS_TAR is not set",
];

/** Each line is a separate mistake. The mark `hal alone` means that check-dotconfig.py does not find it. */
const MISTAKES: readonly (readonly [line: string, kind: FindingKind, remedy: RegExp, seenBy?: "hal alone"])[] = [
  ["BR2_PACKAGE_PYTON3=y", "unknown", /BR2_PACKAGE_PYTHON3\?/],
  ["BR2_PACKAGE_BUSIBOX_SHOW_OTHERS=y", "unknown", /BR2_PACKAGE_BUSYBOX_SHOW_OTHERS\?/],
  ["BR2_PACKAGE_GPGME=y", "unknown", /BR2_PACKAGE_LIBGPGME\?/],
  ['BR2_TARGET_ROOTFS_OVERLAY="x"', "unknown", /BR2_ROOTFS_OVERLAY\?/],
  ["BR2_PACKAGE_9PFS=y", "unknown", /remove the line/],
  ["BR2_PACKAGE_HOST_LINUX_HEADERS_CUSTOM_9_9=y", "unknown", /HEADERS_CUSTOM_6_\d+\?/],
  ["BR2_PACKAGE_CRYPTSETUP2=y", "unknown", /BR2_PACKAGE_CRYPTSETUP\?/],
  ["BR2_TOOLCHAIN_BUILDROOT_CX=y", "unknown", /BR2_TOOLCHAIN_BUILDROOT_CXX\?/],
  ['BR2_LINUX_KERNEL_CONFIG_FRAGMENTS_FILES="x"', "unknown", /BR2_LINUX_KERNEL_CONFIG_FRAGMENT_FILES\?/],
  ["BR2_INIT_SYSTEMDD=y", "unknown", /BR2_INIT_SYSTEMD\?/],
  ["BR2_PACKAGE_PYTHON3=y", "unmet-dependency", /BR2_TOOLCHAIN_BUILDROOT_WCHAR=y/],
  ["BR2_PACKAGE_PYTHON3_XZ=y", "unmet-dependency", /BR2_TOOLCHAIN_BUILDROOT_WCHAR=y/],
  ["BR2_PACKAGE_PYTHON_PIP=y", "unmet-dependency", /BR2_TOOLCHAIN_BUILDROOT_WCHAR=y/],
  ["BR2_PACKAGE_BASH=y", "unmet-dependency", /BR2_PACKAGE_BUSYBOX_SHOW_OTHERS=y/],
  ["BR2_SYSTEM_BIN_SH_BASH=y", "unmet-dependency", /BR2_PACKAGE_BUSYBOX_SHOW_OTHERS=y/],
  ["BR2_PACKAGE_RUNC=y", "unmet-dependency", /./],
  ["BR2_PACKAGE_CONTAINERD=y", "unmet-dependency", /./],
  ["BR2_PACKAGE_DOCKER_ENGINE=y", "unmet-dependency", /./],
  ["BR2_INIT_SYSTEMD=y", "unmet-dependency", /./],
  ["BR2_PACKAGE_UTIL_LINUX_MOUNT=y", "unmet-dependency", /BR2_PACKAGE_UTIL_LINUX=y/],
  ["BR2_LINUX_KERNEL_USE_CUSTOM_CONFIG=y", "unmet-dependency", /BR2_LINUX_KERNEL=y/],
  ['BR2_LINUX_KERNEL_CONFIG_FRAGMENT_FILES="x"', "unmet-dependency", /BR2_LINUX_KERNEL=y/],
  ["BR2_TARGET_ROOTFS_EXT2_4=y", "unmet-dependency", /BR2_TARGET_ROOTFS_EXT2=y/],
  ['BR2_TARGET_ROOTFS_EXT2_SIZE="1G"', "unmet-dependency", /BR2_TARGET_ROOTFS_EXT2=y/],
  ["BR2_TARGET_ROOTFS_CPIO_GZIP=y", "unmet-dependency", /BR2_TARGET_ROOTFS_CPIO=y/],
  ["BR2_PACKAGE_ARM_TRUSTED_FIRMWARE_X=y", "unknown", /./],
  ["BR2_TOOLCHAIN_EXTERNAL_BOOTLIN=y", "unmet-dependency", /BR2_TOOLCHAIN_EXTERNAL=y/],
  ["BR2_USE_WCHAR=y", "no-prompt", /symbols that select it/],
  ["BR2_TOOLCHAIN_HAS_SSP=y", "no-prompt", /symbols that select it/],
  ['BR2_TOOLCHAIN_HEADERS_AT_LEAST="7.0"', "no-prompt", /Kconfig computes/],
  ["BR2_aarch64_le=y", "unknown", /./],
  ["BR2_PACKAGE_HOST_GO_TARGET_CGO_LINKING_SUPPORTS=m", "wrong-value", /y, or/],
  ["BR2_PACKAGE_LIBFFI=m", "wrong-value", /y, or/],
  ['BR2_JLEVEL="4"', "wrong-value", /without quotes/],
  ["BR2_TARGET_GENERIC_ISSUE=welcome", "malformed", /"welcome"/],
  ["BR2_PACKAGE_ZLIB_NG=n", "malformed", /# BR2_PACKAGE_ZLIB_NG is not set/],
  ["#BR2_PACKAGE_BUSYBOX is not set", "malformed", /# BR2_PACKAGE_BUSYBOX is not set/, "hal alone"],
  ["# BR2_PACKAGE_OPENSSL3 is not set", "unknown", /remove the line|\?/],
  ["# BR2_PACKAGE_ZLIB is not set", "wrong-value", /turn off BR2_PACKAGE_LIBPNG/],
  ["# BR2_TOOLCHAIN_BUILDROOT_UCLIBC is not set", "choice-overridden", /another member/],
  ["BR2_ROOTFS_DEVICE_CREATION_STATIC=y\nBR2_ROOTFS_DEVICE_CREATION_DYNAMIC_MDEV=y", "choice-overridden", /keep only one/],
  ["BR2_TARGET_ROOTFS_INITRAMFS_CUSTOM=y", "unknown", /./],
];

describe("the gate on a real Buildroot", () => {
  skipEach(noBuildroot);
  const tree = resolve(buildroot ?? ".");
  const output = directory();
  const lines = [...GOOD, ...MISTAKES.flatMap(([line]) => line.split("\n"))];
  const file = join(directory({ "site.config": `${lines.join("\n")}\n` }), "site.config");
  let report: DefconfigReport;
  let started: number;

  beforeAll(async () => {
    if (buildroot === undefined) return;
    started = Date.now();
    // The caller's environment must not reach make: each of these variables would change or break the configuration.
    process.env.BR2_EXTERNAL = "/nonexistent";
    process.env.KCONFIG_CONFIG = "/nonexistent/.config";
    process.env.MAKEFLAGS = "-n";
    report = await checkDefconfig({ file, buildroot: tree, externals: [], output });
  });

  afterEach(() => {
    delete process.env.BR2_EXTERNAL;
    delete process.env.KCONFIG_CONFIG;
    delete process.env.MAKEFLAGS;
  });

  test.each(MISTAKES.map((mistake) => [mistake[0].split("\n")[0], mistake] as const))("%s", (_name, [text, kind, remedy]) => {
    const wrong = lines.indexOf(text.split("\n")[0] ?? "") + 1;
    const found = report.findings.filter(({ at }) => at.line === wrong);
    expect(
      found.map((finding) => finding.kind),
      JSON.stringify(found.map(formatFinding), null, 1),
    ).toContain(kind);
    expect(found.find((finding) => finding.kind === kind)?.remedy).toMatch(remedy);
  });

  test("the findings are those of check-dotconfig.py, and honoured lines have none", async () => {
    const alone = new Set(MISTAKES.filter(([, , , by]) => by === "hal alone").map(([line]) => line));
    const found = new Set(report.findings.map(({ at }) => lines[(at.line ?? 0) - 1]).filter((line) => !alone.has(line ?? "")));
    const script = join(tree, "support/scripts/check-dotconfig.py");
    const { stdout } = await runCommand({ tool: "python3", args: [script, report.resolved.path, file] }, { allowFailure: true });
    const missing = [...stdout.matchAll(/Missing: (.*)/g)].map(([, line]) => line ?? "");
    expect(missing.length).toBeGreaterThan(35);
    expect([...found].sort()).toEqual([...new Set(missing)].sort());
    expect(report.lost).toBe(found.size + alone.size);
  });

  test("the tree itself is only read", async () => {
    const since = new Date(started - 1000).toISOString();
    const { stdout } = await runCommand({ tool: "find", args: [tree, "-newermt", since] });
    expect(stdout).toBe("");
  });

  test("a second run in the same output directory does not compile conf again", async () => {
    const conf = join(output, "build/buildroot-config/conf");
    const before = statSync(conf).mtimeMs;
    const again = await resolveBuildrootConfig({ buildroot: tree, externals: [], defconfig: file, output });
    expect(statSync(conf).mtimeMs).toBe(before);
    expect(again.text).toBe(report.resolved.text);
  });

  test("a legacy symbol is reported with its replacement", async () => {
    const kconfig = readFileSync(join(tree, "Config.in.legacy"), "utf8");
    // A renamed package of this tree: `select BR2_LEGACY`, then the select of its replacement.
    const [, old = "", replacement = ""] =
      /config (BR2_PACKAGE_\w+)\n\tbool "[^"]*renamed[^"]*"\n\tselect BR2_LEGACY\n\tselect (BR2_PACKAGE_\w+)\n/.exec(kconfig) ?? [];
    const legacy = join(directory({ d: `BR2_x86_64=y\n${old}=y\n` }), "d");
    const { findings } = await checkDefconfig({ file: legacy, buildroot: tree, externals: [], output });
    expect(findings.map(({ kind, symbol }) => [kind, symbol])).toEqual([["legacy", old]]);
    expect(findings[0]?.remedy).toContain(replacement);
  });

  test("a custom kernel without its headers series", async () => {
    const kernel = [
      "BR2_x86_64=y",
      "BR2_TOOLCHAIN_BUILDROOT_GLIBC=y",
      "BR2_LINUX_KERNEL=y",
      "BR2_LINUX_KERNEL_CUSTOM_VERSION=y",
      'BR2_LINUX_KERNEL_CUSTOM_VERSION_VALUE="6.12.91"',
      "BR2_LINUX_KERNEL_USE_ARCH_DEFAULT_CONFIG=y",
    ];
    const dir = directory({
      bad: `${kernel.join("\n")}\n`,
      good: `${[...kernel, "BR2_PACKAGE_HOST_LINUX_HEADERS_CUSTOM_6_12=y"].join("\n")}\n`,
    });
    const bad = await checkDefconfig({ file: join(dir, "bad"), buildroot: tree, externals: [], output });
    expect(bad.findings.map(({ kind, at, remedy }) => [kind, at.line, remedy])).toEqual([
      ["unmet-dependency", 2, "add BR2_PACKAGE_HOST_LINUX_HEADERS_CUSTOM_6_12=y"],
      ["kernel-headers", 5, "add BR2_PACKAGE_HOST_LINUX_HEADERS_CUSTOM_6_12=y"],
    ]);
    const good = await checkDefconfig({ file: join(dir, "good"), buildroot: tree, externals: [], output });
    expect(good.findings).toEqual([]);
  });

  test("symbols of external trees are known, with their dependencies", async () => {
    const external = directory({
      "external.desc": "name: SITE\n",
      "external.mk": "",
      "Config.in": 'source "$BR2_EXTERNAL_SITE_PATH/package/tool/Config.in"\n',
      "package/tool/Config.in": 'config BR2_PACKAGE_SITE_TOOL\n\tbool "tool"\n\tdepends on BR2_PACKAGE_ZLIB\n',
    });
    const dir = directory({
      d: "BR2_x86_64=y\nBR2_PACKAGE_SITE_TOOL=y\n",
      good: "BR2_x86_64=y\nBR2_PACKAGE_ZLIB=y\nBR2_PACKAGE_SITE_TOOL=y\n",
    });
    const { findings } = await checkDefconfig({ file: join(dir, "d"), buildroot: tree, externals: [external], output });
    expect(findings.map(formatFinding)).toEqual([
      [
        `${join(dir, "d")}:2:1: BR2_PACKAGE_SITE_TOOL is n: it depends on BR2_PACKAGE_ZLIB (n)`,
        `  - needs BR2_PACKAGE_ZLIB (n)  [${external}/package/tool/Config.in:3]`,
        "  add BR2_PACKAGE_ZLIB=y",
      ],
    ]);
    expect((await checkDefconfig({ file: join(dir, "good"), buildroot: tree, externals: [external], output })).findings).toEqual([]);
  });

  test("paths that make cannot handle, and directories that are not a tree", async () => {
    const here = { buildroot: tree, externals: [], defconfig: file, output };
    await expect(resolveBuildrootConfig({ ...here, output: `${output}/a b` })).rejects.toThrow(/cannot handle a path that contains ' '/);
    await expect(resolveBuildrootConfig({ ...here, buildroot: output })).rejects.toThrow(/not a Buildroot tree/);
    await expect(resolveBuildrootConfig({ ...here, externals: [output] })).rejects.toThrow(/not an external tree/);
    await expect(resolveBuildrootConfig({ ...here, defconfig: `${file}.none` })).rejects.toThrow(/not a defconfig/);
  });
});

const linux = process.env.HAL_TEST_LINUX;

describe("the gate on a real Linux", () => {
  skipEach(linux === undefined ? "HAL_TEST_LINUX is not set (the path of a Linux source tree)" : undefined);

  test("fragments against the kernel's own olddefconfig", async () => {
    const source = resolve(linux ?? ".");
    const base = join(source, "arch/x86/configs/x86_64_defconfig");
    const lines = [
      "CONFIG_MD=y",
      "CONFIG_BLK_DEV_DM=y",
      "CONFIG_DM_VERITY=y",
      "CONFIG_DM_INTEGRITY_X=y",
      "CONFIG_TCG_VTPM_PROXY=y",
      "CONFIG_NR_CPUS=99999",
      "CONFIG_CRYPTO_LIB_SHA256=m",
      "CONFIG_KERNEL_ZSTD=y",
      "# CONFIG_BLOCK is not set",
      "CONFIG_DRM_XE_DISPLAY=y",
    ];
    const fragment = readDotConfig(`${lines.join("\n")}\n`, "site.config", "CONFIG_");
    const output = directory();
    const resolved = await resolveKernelConfig({
      source,
      arch: "x86_64",
      fragments: [readDotConfig(readFileSync(base, "utf8"), base), fragment],
      output,
    });
    const kconfig = parseKconfig({ root: source, file: "Kconfig", environment: { SRCARCH: "x86", ARCH: "x86_64" }, prefix: "CONFIG_" });
    const findings = gate({ requested: requestsOf(fragment), config: resolved.config, kconfig });
    const byLine = new Map(findings.map((finding) => [lines[(finding.at.line ?? 0) - 1], finding.kind]));
    expect(Object.fromEntries(byLine)).toMatchObject({
      "CONFIG_DM_INTEGRITY_X=y": "unknown",
      "CONFIG_TCG_VTPM_PROXY=y": "unmet-dependency",
      "CONFIG_NR_CPUS=99999": "wrong-value",
      "CONFIG_CRYPTO_LIB_SHA256=m": "no-prompt",
      "CONFIG_DRM_XE_DISPLAY=y": "unmet-dependency",
    });
    for (const line of ["CONFIG_MD=y", "CONFIG_DM_VERITY=y", "CONFIG_KERNEL_ZSTD=y"]) expect(byLine.has(line)).toBe(false);
  });
});
