import { describe, expect, test } from "vitest";
import { malformedLines, requestsOf } from "../../src/kconfig/check-defconfig.js";
import { formatConfigLine, readDotConfig } from "../../src/kconfig/dotconfig.js";
import type { FindingKind, GateFinding } from "../../src/kconfig/finding.js";
import { formatFinding, gateError } from "../../src/kconfig/format.js";
import { gate } from "../../src/kconfig/gate.js";
import type { Kconfig } from "../../src/kconfig/model.js";
import { buildrootTree, kernelConfig, linuxTree, uclibcConfig } from "./small-trees.js";
import { parseTree } from "./tree.js";

type Values = Readonly<Record<string, string>>;

/** A wrong line (the last of the text), the resolved values beyond the base, and the expected finding. */
type Mistake = readonly [name: string, text: string, resolved: Values, kind: FindingKind, says: RegExp, remedy: RegExp];

const kernel = { BR2_LINUX_KERNEL: "y", BR2_LINUX_KERNEL_CUSTOM_VERSION: "y", BR2_KERNEL_HEADERS_AS_KERNEL: "y" };
const old = { ...kernel, BR2_PACKAGE_HOST_LINUX_HEADERS_CUSTOM_REALLY_OLD: "y", BR2_LINUX_KERNEL_CUSTOM_VERSION_VALUE: '"6.12.91"' };
const headers512 = { ...kernel, BR2_PACKAGE_HOST_LINUX_HEADERS_CUSTOM_5_10: "y", BR2_LINUX_KERNEL_CUSTOM_VERSION_VALUE: '"6.12.91"' };

const inBuildroot: readonly Mistake[] = [
  ["misspelt symbol", "BR2_PACKAGE_PYTON3=y", {}, "unknown", /BR2_PACKAGE_PYTON3 does not exist/, /did you mean BR2_PACKAGE_PYTHON3\?/],
  ["lower case", "br2_package_bash=y", {}, "unknown", /does not exist/, /BR2_PACKAGE_BASH\?/],
  ["a library without its LIB", "BR2_PACKAGE_GPGME=y", {}, "unknown", /does not exist/, /BR2_PACKAGE_LIBGPGME\?/],
  ["an extra word", 'BR2_TARGET_ROOTFS_OVERLAY="x"', {}, "unknown", /does not exist/, /BR2_ROOTFS_OVERLAY\?/],
  ["a name that resembles no symbol", "BR2_PACKAGE_9PFS=y", {}, "unknown", /does not exist/, /add the tree or patch/],
  [
    "a headers series that is newer than the tree",
    "BR2_PACKAGE_HOST_LINUX_HEADERS_CUSTOM_7_0=y",
    {},
    "unknown",
    /does not exist/,
    /CUSTOM_6_12\?/,
  ],
  [
    "'not set' of a symbol that does not exist",
    "# BR2_PACKAGE_PYTON3 is not set",
    {},
    "unknown",
    /does not exist/,
    /BR2_PACKAGE_PYTHON3\?/,
  ],
  [
    "symbol inside an unmet if",
    "BR2_PACKAGE_PYTHON3_XZ=y",
    {},
    "unmet-dependency",
    /depends on BR2_PACKAGE_PYTHON3 \(n\)/,
    /add BR2_TOOLCHAIN_BUILDROOT_WCHAR=y/,
  ],
  [
    "symbol inside a menu that is not visible",
    "BR2_PACKAGE_PYTHON3=y",
    { BR2_USE_MMU: "n", BR2_x86_64: "n" },
    "unmet-dependency",
    /BR2_USE_MMU \(n\)/,
    /BR2_x86_64=y/,
  ],
  [
    "missing toolchain option",
    "BR2_PACKAGE_PYTHON3=y",
    {},
    "unmet-dependency",
    /depends on BR2_USE_WCHAR \(n\)/,
    /BR2_TOOLCHAIN_BUILDROOT_WCHAR=y/,
  ],
  [
    "missing option with a prompt",
    "BR2_PACKAGE_BASH=y",
    {},
    "unmet-dependency",
    /BR2_PACKAGE_BUSYBOX_SHOW_OTHERS \(n\)/,
    /add BR2_PACKAGE_BUSYBOX_SHOW_OTHERS=y/,
  ],
  [
    "an option that must be off",
    "BR2_PACKAGE_RUNC=y",
    {},
    "unmet-dependency",
    /!BR2_TOOLCHAIN_USES_UCLIBC \(BR2_TOOLCHAIN_USES_UCLIBC is y\)/,
    /./,
  ],
  [
    "none of two alternatives",
    "BR2_PACKAGE_ARM_TOOL=y",
    {},
    "unmet-dependency",
    /BR2_arm \|\| BR2_aarch64 \(BR2_arm is no such symbol/,
    /remove the line/,
  ],
  [
    "unsupported architecture",
    "BR2_PACKAGE_NEEDS_SECCOMP=y",
    {},
    "unmet-dependency",
    /BR2_PACKAGE_SECCOMP_ARCH_SUPPORTS \(n\)/,
    /remove the line/,
  ],
  ["member of a choice with unmet dependency", "BR2_INIT_SYSTEMD=y", {}, "unmet-dependency", /BR2_TOOLCHAIN_USES_GLIBC \(n\)/, /./],
  [
    "number of a hidden symbol",
    'BR2_LINUX_KERNEL_CUSTOM_VERSION_VALUE="6.12.91"',
    {},
    "unmet-dependency",
    /BR2_LINUX_KERNEL \(n\)/,
    /BR2_LINUX_KERNEL=y/,
  ],
  [
    "text of a hidden symbol",
    'BR2_TARGET_GENERIC_GETTY_TERM="vt100"',
    { BR2_INIT_BUSYBOX: "n", BR2_INIT_SYSTEMD: "y" },
    "unmet-dependency",
    /BR2_INIT_BUSYBOX \|\| BR2_INIT_NONE/,
    /./,
  ],
  [
    "legacy name with a replacement",
    "BR2_PACKAGE_OLD_NAME=y",
    { BR2_PACKAGE_OLD_NAME: "y", BR2_LEGACY: "y" },
    "legacy",
    /old-name has been renamed/,
    /use BR2_PACKAGE_NEW_NAME instead/,
  ],
  [
    "legacy member of a choice",
    "BR2_FLAVOUR_OLD=y",
    { BR2_FLAVOUR_OLD: "y" },
    "legacy",
    /old flavour has been renamed/,
    /use BR2_FLAVOUR_NEW instead/,
  ],
  ["legacy name without a replacement", "BR2_PACKAGE_GONE=y", { BR2_PACKAGE_GONE: "y" }, "legacy", /gone was removed/, /no replacement/],
  [
    "legacy name with a replacement in its help",
    "BR2_PACKAGE_SEE_HELP=y",
    { BR2_PACKAGE_SEE_HELP: "y" },
    "legacy",
    /see-help/,
    /BR2_PACKAGE_LIBFFI/,
  ],
  ["legacy text", 'BR2_OLD_STRING="x"', { BR2_OLD_STRING: '"x"' }, "legacy", /renamed/, /use BR2_NEW_STRING instead/],
  [
    "symbol without prompt that others select",
    "BR2_USE_WCHAR=y",
    {},
    "no-prompt",
    /a configuration cannot set it; it is n/,
    /one of the symbols that select it/,
  ],
  ["symbol without prompt that Kconfig computes", "BR2_SSP=y", {}, "no-prompt", /no prompt/, /Kconfig computes the value/],
  ["number above its range", "BR2_JLEVEL=65", {}, "wrong-value", /from 0 to 64; 65 was ignored, the value is 0/, /from 0 to 64/],
  [
    "number below a range given by a symbol",
    "BR2_SWAP_MB=3",
    { BR2_JLEVEL: "8", BR2_SWAP_MB: "8" },
    "wrong-value",
    /from 8 to 4096/,
    /from 8/,
  ],
  ["hexadecimal number out of range", "BR2_TEXT_BASE=0x10000", {}, "wrong-value", /from 0x100 to 0xffff/, /0x100/],
  ["number in quotes", 'BR2_JLEVEL="4"', {}, "wrong-value", /is a number; "4" is not a valid value/, /without quotes/],
  [
    "text without quotes",
    "BR2_TARGET_GENERIC_HOSTNAME=hal",
    {},
    "malformed",
    /cannot read the value of BR2_TARGET_GENERIC_HOSTNAME: hal/,
    /"hal"/,
  ],
  [
    "number without quotes as a text",
    "BR2_TARGET_GENERIC_HOSTNAME=12",
    {},
    "wrong-value",
    /is a string; 12 is not a valid value/,
    /double quotes/,
  ],
  ["m for a bool", "BR2_PACKAGE_LIBFFI=m", {}, "wrong-value", /is a yes\/no symbol; m is not a valid value/, /y, or/],
  ["y in quotes", 'BR2_PACKAGE_LIBFFI="y"', {}, "wrong-value", /yes\/no/, /y, or/],
  ["text with quotes inside", 'BR2_TARGET_GENERIC_HOSTNAME="a"b"', {}, "malformed", /cannot read/, /\\"/],
  ["=n", "BR2_PACKAGE_LIBFFI=n", {}, "malformed", /not the notation for a symbol that is off/, /# BR2_PACKAGE_LIBFFI is not set/],
  [
    "almost 'is not set'",
    "#BR2_PACKAGE_LIBFFI is not set",
    {},
    "malformed",
    /reads this line as a comment/,
    /# BR2_PACKAGE_LIBFFI is not set/,
  ],
  [
    "off, but selected",
    "# BR2_PACKAGE_LIBFFI is not set",
    { BR2_PACKAGE_LIBFFI: "y", BR2_PACKAGE_PYTHON3: "y", BR2_USE_WCHAR: "y" },
    "wrong-value",
    /because BR2_PACKAGE_PYTHON3 selects it/,
    /turn off BR2_PACKAGE_PYTHON3/,
  ],
  [
    "the selected member of a choice turned off",
    "# BR2_INIT_BUSYBOX is not set",
    {},
    "choice-overridden",
    /'Init system' is set to BR2_INIT_BUSYBOX/,
    /another member/,
  ],
  [
    "two members of a choice",
    "BR2_INIT_NONE=y\nBR2_INIT_BUSYBOX=y",
    {},
    "choice-overridden",
    /is set to BR2_INIT_BUSYBOX \(requested by this file \(test.config:2\)\)/,
    /keep only one/,
  ],
  [
    "the same symbol twice",
    "BR2_PACKAGE_LIBFFI=y\n# BR2_PACKAGE_LIBFFI is not set",
    {},
    "wrong-value",
    /a later line sets it to n \(test.config:2/,
    /keep one/,
  ],
  [
    "custom kernel without headers",
    `BR2_LINUX_KERNEL=y\nBR2_LINUX_KERNEL_CUSTOM_VERSION=y\nBR2_LINUX_KERNEL_CUSTOM_VERSION_VALUE="6.12.91"`,
    old,
    "kernel-headers",
    /assumes really old/,
    /add BR2_PACKAGE_HOST_LINUX_HEADERS_CUSTOM_6_12=y/,
  ],
  [
    "custom kernel with another headers series",
    `BR2_PACKAGE_HOST_LINUX_HEADERS_CUSTOM_5_10=y\nBR2_LINUX_KERNEL_CUSTOM_VERSION_VALUE="6.12.91"`,
    headers512,
    "kernel-headers",
    /is 6.12, but its headers series is set to 5.10/,
    /CUSTOM_6_12=y/,
  ],
  [
    "custom kernel older than the newest headers, without headers",
    'BR2_LINUX_KERNEL_CUSTOM_VERSION_VALUE="5.15.3"',
    { ...old, BR2_LINUX_KERNEL_CUSTOM_VERSION_VALUE: '"5.15.3"' },
    "kernel-headers",
    /assumes really old/,
    /HEADERS_CUSTOM_5_10=y/,
  ],
  [
    "kernel from git without headers",
    "BR2_LINUX_KERNEL_CUSTOM_GIT=y",
    { ...old, BR2_LINUX_KERNEL_CUSTOM_VERSION: "n", BR2_LINUX_KERNEL_CUSTOM_VERSION_VALUE: '""', BR2_LINUX_KERNEL_CUSTOM_GIT: "y" },
    "kernel-headers",
    /assumes really old/,
    /the newest in this tree is BR2_PACKAGE_HOST_LINUX_HEADERS_CUSTOM_6_12/,
  ],
  ["dropped without a visible reason", "BR2_PACKAGE_LIBFFI=y", {}, "not-applied", /do not explain why/, /package\/Config.in:/],
];

const inLinux: readonly Mistake[] = [
  ["option without its parent", "CONFIG_DM_VERITY=y", {}, "unmet-dependency", /depends on MD \(n\) and BLK_DEV_DM \(n\)/, /CONFIG_MD=y/],
  [
    "option without its parent's parents",
    "CONFIG_TCG_SVSM=y",
    {},
    "unmet-dependency",
    /TCG_TPM \(n\) and SEV_GUEST \(n\)/,
    /CONFIG_TCG_TPM=y, CONFIG_AMD_MEM_ENCRYPT=y/,
  ],
  [
    "built in, but its parent is a module",
    "CONFIG_DM_CRYPT=y",
    { CONFIG_MD: "y", CONFIG_BLK_DEV_DM: "m", CONFIG_DM_CRYPT: "m" },
    "unmet-dependency",
    /is m: it depends on BLK_DEV_DM \(m\)/,
    /CONFIG_BLK_DEV_DM=y/,
  ],
  [
    "module, but modules are off",
    "CONFIG_TCG_TPM=m",
    { CONFIG_MODULES: "n", CONFIG_TCG_TPM: "y" },
    "unmet-dependency",
    /cannot be m: CONFIG_MODULES is n/,
    /CONFIG_TCG_TPM=y/,
  ],
  ["option without prompt", "CONFIG_CRYPTO_SHA256=y", {}, "no-prompt", /no prompt/, /select it/],
  [
    "off, but selected",
    "CONFIG_CRYPTO_SHA256=m",
    { CONFIG_MD: "y", CONFIG_BLK_DEV_DM: "y", CONFIG_DM_VERITY: "y", CONFIG_CRYPTO_SHA256: "y" },
    "no-prompt",
    /it is y/,
    /./,
  ],
  ["no prefix", "DM_VERITY=y", {}, "malformed", /does not begin with CONFIG_/, /CONFIG_DM_VERITY=y/],
  ["misspelt", "CONFIG_DM_VERITTY=y", {}, "unknown", /does not exist/, /CONFIG_DM_VERITY\?/],
  ["outside the active range", "CONFIG_NR_CPUS=1024", {}, "wrong-value", /from 2 to 512/, /2 to 512/],
  ["choice", "CONFIG_KERNEL_ZSTD=y", {}, "choice-overridden", /is set to CONFIG_KERNEL_GZIP \(its default\)/, /keep only one/],
  ["unsupported by the compiler", "CONFIG_FANCY=y", {}, "unmet-dependency", /CC_HAS_FANCY \(n\)/, /./],
];

function check(kconfig: Kconfig, base: Values, [, text, resolved]: Mistake, prefix: string): readonly GateFinding[] {
  const values = Object.entries({ ...base, ...resolved }).map(([symbol, value]) => formatConfigLine({ symbol, value }));
  const requested = readDotConfig(`${text}\n`, "test.config", prefix);
  const config = readDotConfig(values.join("\n"), ".config");
  return [...malformedLines(requested), ...gate({ requested: requestsOf(requested), config, kconfig })];
}

function expectCaught(findings: readonly GateFinding[], [name, text, , kind, says, remedy]: Mistake): void {
  const found = findings.find((finding) => finding.kind === kind && says.test(finding.message));
  expect(found, `${name}: ${JSON.stringify(findings.map(formatFinding), null, 1)}`).toBeDefined();
  expect(found?.remedy).toMatch(remedy);
  expect(found?.at.file).toBe("test.config");
  const line = text.split("\n")[(found?.at.line ?? 0) - 1];
  // The finding points at the line of its symbol; a finding about headers points at a line of the kernel.
  if (kind === "kernel-headers") expect(line).toMatch(/^BR2_LINUX_KERNEL_CUSTOM/);
  else expect(line).toContain(found?.symbol);
}

describe("seeded mistakes in a Buildroot defconfig", () => {
  const kconfig = parseTree(buildrootTree);
  test.each(inBuildroot.map((mistake) => [mistake[0], mistake] as const))("%s", (_name, mistake) => {
    expectCaught(check(kconfig, uclibcConfig, mistake, ""), mistake);
  });
});

describe("seeded mistakes in a kernel fragment", () => {
  const kconfig = parseTree(linuxTree, { prefix: "CONFIG_" });
  test.each(inLinux.map((mistake) => [mistake[0], mistake] as const))("%s", (_name, mistake) => {
    expectCaught(check(kconfig, kernelConfig, mistake, "CONFIG_"), mistake);
  });
});

describe("an honoured line is no finding", () => {
  const good: readonly (readonly [string, Values])[] = [
    ["BR2_x86_64=y", {}],
    ["# BR2_PACKAGE_PYTHON3 is not set", {}],
    ["# BR2_PACKAGE_PYTHON3_XZ is not set", {}],
    ['BR2_TARGET_GENERIC_HOSTNAME="buildroot"', {}],
    ['BR2_TARGET_GENERIC_HOSTNAME="a \\"b\\" $(X)"', { BR2_TARGET_GENERIC_HOSTNAME: '"a \\"b\\" $(X)"' }],
    ["BR2_TEXT_BASE=0X1000", {}],
    ["BR2_USE_MMU=y", {}],
    ["# BR2_PACKAGE_GONE is not set", {}],
    ['BR2_OLD_STRING=""', {}],
    [
      'BR2_PACKAGE_HOST_LINUX_HEADERS_CUSTOM_6_12=y\nBR2_LINUX_KERNEL_CUSTOM_VERSION_VALUE="6.18.1"',
      { ...kernel, BR2_PACKAGE_HOST_LINUX_HEADERS_CUSTOM_6_12: "y", BR2_LINUX_KERNEL_CUSTOM_VERSION_VALUE: '"6.18.1"' },
    ],
  ];
  const kconfig = parseTree(buildrootTree);
  test.each(good)("%s", (text, resolved) => {
    expect(check(kconfig, uclibcConfig, ["", text, resolved, "unknown", /./, /./], "")).toEqual([]);
  });
});

test("an explanation goes down to a symbol that a configuration can set, with a line for each step", () => {
  const kconfig = parseTree(buildrootTree);
  const [finding] = check(kconfig, uclibcConfig, ["", "BR2_PACKAGE_PYTHON3_XZ=y", {}, "unknown", /./, /./], "");
  expect(finding === undefined ? [] : formatFinding(finding)).toEqual([
    "test.config:1:1: BR2_PACKAGE_PYTHON3_XZ is n: it depends on BR2_PACKAGE_PYTHON3 (n)",
    "  - needs BR2_PACKAGE_PYTHON3 (n)  [package/Config.in:14]",
    "    - needs BR2_USE_WCHAR (n)  [package/Config.in:12]",
    "      - BR2_USE_WCHAR has no prompt; selected by BR2_TOOLCHAIN_BUILDROOT_WCHAR (n), BR2_TOOLCHAIN_USES_GLIBC (n)  [toolchain/Config.in:59]",
    "  add BR2_TOOLCHAIN_BUILDROOT_WCHAR=y",
  ]);
});

test("with too old headers, no remedy names an old series", () => {
  const kconfig = parseTree(buildrootTree);
  const text = 'BR2_LINUX_KERNEL_CUSTOM_VERSION_VALUE="6.12.91"\nBR2_PACKAGE_DOCKER_ENGINE=y';
  const findings = check(kconfig, uclibcConfig, ["", text, old, "unknown", /./, /./], "");
  expect(findings.map(({ kind, remedy }) => [kind, remedy])).toEqual([
    ["kernel-headers", "add BR2_PACKAGE_HOST_LINUX_HEADERS_CUSTOM_6_12=y"],
    ["unmet-dependency", "add BR2_PACKAGE_HOST_LINUX_HEADERS_CUSTOM_6_12=y"],
  ]);
});

test("the findings of a gate are one error of the kind check", () => {
  const findings = check(parseTree(buildrootTree), uclibcConfig, ["", "BR2_PACKAGE_9PFS=y", {}, "unknown", /./, /./], "");
  const error = gateError(findings, 7);
  expect(error).toMatchObject({ kind: "check", message: "the configuration does not honour 1 of 7 requested lines" });
  expect(error?.details[0]).toBe("test.config:1:1: BR2_PACKAGE_9PFS does not exist in this tree");
  expect(gateError([], 7)).toBeUndefined();
  const headers = check(parseTree(buildrootTree), uclibcConfig, ["", "BR2_LINUX_KERNEL_CUSTOM_VERSION=y", old, "unknown", /./, /./], "");
  expect(gateError(headers, 1)?.message).toBe("the series of the kernel headers is wrong");
});

test("symbols that depend on each other in a circle end the explanation", () => {
  const kconfig = parseTree({
    "Config.in": 'config A\n\tbool "a"\n\tdepends on B\nconfig B\n\tbool "b"\n\tdepends on C\nconfig C\n\tbool "c"\n\tdepends on B\n',
  });
  const [finding] = gate({ requested: requestsOf(readDotConfig("A=y\n", "f")), config: readDotConfig("", ".config"), kconfig });
  expect(finding?.because.map(({ depth, text }) => `${depth} ${text}`)).toEqual(["0 needs B (n)", "1 needs C (n)", "2 needs B (n)"]);
});

test("a long chain ends where it no longer helps", () => {
  const links = Array.from({ length: 100 }, (_, i) => `config L${i}\n\tbool "l"\n\tdepends on L${i + 1}\n`);
  const kconfig = parseTree({ "Config.in": links.join("") });
  const [finding] = gate({ requested: requestsOf(readDotConfig("L0=y\n", "f")), config: readDotConfig("", ".config"), kconfig });
  expect(finding?.because).toHaveLength(7);
});
