import { describe, expect, test } from "vitest";
import { planRebuild, type RebuildState } from "../../src/backends/buildroot/rebuild.js";

const packages: readonly (readonly [name: string, version: string, dependencies: readonly string[]])[] = [
  ["toolchain", "", []],
  ["linux-headers", "6.12.91", []],
  ["busybox", "1.37.0", ["toolchain"]],
  ["linux", "6.12.91", ["host-kmod", "toolchain"]],
  ["host-kmod", "34", []],
  ["openssl", "3.5.1", ["toolchain"]],
  ["libcurl", "8.14", ["busybox", "openssl"]],
  ["git", "2.50", ["libcurl"]],
  ["cocos-agent", "0.4", ["toolchain"]],
];

const base: RebuildState = {
  buildroot: "2026.02.3",
  buildrootOutput: "/o",
  config: new Map([
    ["BR2_x86_64", "y"],
    ["BR2_PER_PACKAGE_DIRECTORIES", "y"],
    ["BR2_PACKAGE_BUSYBOX", "y"],
    ["BR2_PACKAGE_LIBCURL", "y"],
    ["BR2_LINUX_KERNEL", "y"],
    ["BR2_TARGET_GENERIC_HOSTNAME", '"a"'],
    ["BR2_JLEVEL", "0"],
  ]),
  packages: new Map(
    packages.map(([name, version, dependencies]) => [
      name,
      { type: name.startsWith("host-") ? "host" : "target", version, dependencies, directory: `build/${name}-${version}` },
    ]),
  ),
  reads: new Map([
    ["libcurl", ["BR2_PACKAGE_LIBCURL", "BR2_PACKAGE_ZLIB", "BR2_TARGET_GENERIC_HOSTNAME"]],
    ["host-kmod", ["BR2_PACKAGE_ZLIB", "BR2_PACKAGE_HOST_KMOD_TOOLS"]], // kmod.mk, of both
  ]),
  recipes: new Map([["cocos-agent", "r1"]]),
  fragments: new Map([
    ["linux", "k1"],
    ["busybox", "b1"],
  ]),
  overlay: new Map([
    ["/etc/motd", "m1"],
    ["/etc/issue", "i1"],
  ]),
  layout: "l1",
  scripts: "s1",
};

function withConfig(changes: Readonly<Record<string, string | undefined>>, from = base): RebuildState {
  const config = new Map(from.config);
  for (const [name, value] of Object.entries(changes)) {
    if (value === undefined) config.delete(name);
    else config.set(name, value);
  }
  return { ...from, config };
}

function withPackage(name: string, change: { version?: string; dependencies?: readonly string[] } | undefined, from = base): RebuildState {
  const packages = new Map(from.packages);
  const before = packages.get(name) ?? { type: "target" as const, version: "1", dependencies: [], directory: `build/${name}-1` };
  if (change === undefined) packages.delete(name);
  else packages.set(name, { ...before, ...change });
  return { ...from, packages };
}

/** Changes and their steps; `!` marks the step that empties TARGET_DIR first. */
const cases: readonly (readonly [string, RebuildState, readonly string[], RegExp])[] = [
  ["nothing", base, [], /^$/],
  [
    "an overlay file",
    { ...base, overlay: new Map([...base.overlay, ["/etc/motd", "m2"]]) },
    ["all!"],
    /the overlay changed \(\/etc\/motd\)/,
  ],
  ["an overlay file is new", { ...base, overlay: new Map([...base.overlay, ["/etc/new", "n"]]) }, ["all!"], /\/etc\/new/],
  ["an overlay file is gone", { ...base, overlay: new Map([["/etc/motd", "m1"]]) }, ["all!"], /\/etc\/issue/],
  ["the layout", { ...base, layout: "l2" }, ["all!"], /the layout changed/],
  ["the board scripts", { ...base, scripts: "s2" }, ["all!"], /board scripts/],
  [
    "an option of the images",
    withConfig({ BR2_TARGET_ROOTFS_EXT2_SIZE: '"60M"' }),
    ["all!"],
    /BR2_TARGET_ROOTFS_EXT2_SIZE changed from n to "60M"/,
  ],
  [
    "the host name, which one package reads",
    withConfig({ BR2_TARGET_GENERIC_HOSTNAME: '"b"' }),
    ["libcurl-dirclean", "git-dirclean", "all!"],
    /HOSTNAME/,
  ],
  [
    "a kernel fragment",
    { ...base, fragments: new Map([...base.fragments, ["linux", "k2"]]) },
    ["linux-reconfigure", "all!"],
    /configuration of linux/,
  ],
  [
    "busybox's configuration",
    { ...base, fragments: new Map([...base.fragments, ["busybox", "b2"]]) },
    ["busybox-dirclean", "libcurl-dirclean", "git-dirclean", "all!"],
    /the configuration of busybox changed/,
  ],
  [
    "a kernel fragment more",
    withConfig({ BR2_LINUX_KERNEL_CONFIG_FRAGMENT_FILES: '"a b"' }),
    ["linux-reconfigure", "all!"],
    /FRAGMENT_FILES changed from n to "a b"/,
  ],
  ["a fragment of a package that is not built", { ...base, fragments: new Map([...base.fragments, ["uboot", "u"]]) }, [], /^$/],
  ["root's login", withConfig({ BR2_TARGET_ENABLE_ROOT_LOGIN: "y" }), ["all!"], /ROOT_LOGIN/],
  [
    "the skeleton",
    { ...base, recipes: new Map([...base.recipes, ["skeleton-init-common", "x"]]) },
    ["clean", "all"],
    /skeleton-init-common changed/,
  ],
  ["how device nodes are made", withConfig({ BR2_ROOTFS_DEVICE_CREATION_STATIC: "y" }), ["clean", "all"], /DEVICE_CREATION/],
  [
    "a kernel option of Buildroot",
    withConfig({ BR2_LINUX_KERNEL_NEEDS_HOST_LIBELF: "y" }),
    ["linux-dirclean", "all!"],
    /LIBELF changed from n to y/,
  ],
  ["a package is added", withConfig({ BR2_PACKAGE_BASH: "y" }, withPackage("bash", {})), ["bash", "all!"], /bash is new/],
  [
    "a package is added that another one's make file asks for, without depending on it",
    withConfig({ BR2_PACKAGE_ZLIB: "y" }, withPackage("zlib", {})),
    ["libcurl-dirclean", "git-dirclean", "zlib", "all!"],
    /BR2_PACKAGE_ZLIB changed from n to y/,
  ],
  [
    "a package is added that another then uses",
    withPackage("libcurl", { dependencies: ["busybox", "openssl", "zlib"] }, withPackage("zlib", {})),
    ["libcurl-dirclean", "git-dirclean", "zlib", "all!"],
    /libcurl is built with zlib, a new dependency/,
  ],
  [
    "an option of a host package",
    withConfig({ BR2_PACKAGE_HOST_KMOD_TOOLS: "y" }),
    ["host-kmod-dirclean", "linux-dirclean", "all!"],
    /BR2_PACKAGE_HOST_KMOD_TOOLS changed from n to y/,
  ],
  ["a package is removed", withConfig({ BR2_PACKAGE_GIT: "n" }, withPackage("git", undefined)), ["git-dirclean", "all!"], /git is removed/],
  [
    "a package is removed that another one used",
    withPackage("libcurl", { dependencies: ["busybox"] }, withPackage("openssl", undefined)),
    ["openssl-dirclean", "libcurl-dirclean", "git-dirclean", "all!"],
    /openssl is removed/,
  ],
  [
    "a host package is removed",
    withPackage("linux", { dependencies: ["toolchain"] }, withPackage("host-kmod", undefined)),
    ["host-kmod-dirclean", "linux-dirclean", "all!"],
    /host-kmod is removed/,
  ],
  [
    "an option of a package",
    withConfig({ BR2_PACKAGE_LIBCURL_CURL: "y" }),
    ["libcurl-dirclean", "git-dirclean", "all!"],
    /BR2_PACKAGE_LIBCURL_CURL changed from n to y/,
  ],
  ["an option of no built package", withConfig({ BR2_PACKAGE_XORG7_ARCH_SUPPORTS: "y" }), [], /^$/],
  ["an external package's version", withPackage("cocos-agent", { version: "0.5" }), ["cocos-agent-dirclean", "all!"], /from 0.4 to 0.5/],
  [
    "an external package's recipe or source",
    { ...base, recipes: new Map([["cocos-agent", "r2"]]) },
    ["cocos-agent-dirclean", "all!"],
    /source or recipe of cocos-agent/,
  ],
  [
    "an override of a library",
    { ...base, recipes: new Map([...base.recipes, ["openssl", "o"]]) },
    ["openssl-dirclean", "libcurl-dirclean", "git-dirclean", "all!"],
    /openssl/,
  ],
  [
    "busybox's version",
    withPackage("busybox", { version: "1.38" }),
    ["busybox-dirclean", "libcurl-dirclean", "git-dirclean", "all!"],
    /1.38/,
  ],
  ["the architecture's variant", withConfig({ BR2_x86_corei7: "y" }), ["clean", "all"], /BR2_x86_corei7/],
  ["the toolchain", withConfig({ BR2_TOOLCHAIN_EXTERNAL: "y" }), ["clean", "all"], /BR2_TOOLCHAIN_EXTERNAL changed from n to y/],
  ["the init system", withConfig({ BR2_INIT_SYSTEMD: "y" }), ["clean", "all"], /BR2_INIT_SYSTEMD/],
  ["compiler flags", withConfig({ BR2_TARGET_OPTIMIZATION: '"-O3"' }), ["clean", "all"], /BR2_TARGET_OPTIMIZATION/],
  ["the kernel headers' series", withConfig({ BR2_PACKAGE_HOST_LINUX_HEADERS_CUSTOM_6_12: "y" }), ["clean", "all"], /HEADERS_CUSTOM_6_12/],
  ["the kernel headers' version", withPackage("linux-headers", { version: "6.12.92" }), ["clean", "all"], /linux-headers changed/],
  ["the build directory", { ...base, buildrootOutput: "/p" }, ["clean", "all"], /was \/o, and built files contain that path/],
  ["Buildroot", { ...base, buildroot: "2026.05" }, ["clean", "all"], /Buildroot changed from 2026.02.3 to 2026.05/],
  ["a symbol that no row knows", withConfig({ BR2_UNHEARD_OF: "y" }), ["clean", "all"], /BR2_UNHEARD_OF/],
  ["the number of jobs", withConfig({ BR2_JLEVEL: "4" }), [], /^$/],
  ["the download directory", withConfig({ BR2_DL_DIR: '"/dl"' }), [], /^$/],
  ["a line that says what had no line", withConfig({ BR2_TOOLCHAIN_EXTERNAL: "n" }), [], /^$/],
  [
    "several at once",
    {
      ...withConfig({ BR2_PACKAGE_BASH: "y" }, withPackage("bash", {})),
      layout: "l2",
      fragments: new Map([...base.fragments, ["linux", "k2"]]),
    },
    ["linux-reconfigure", "bash", "all!"],
    /configuration of linux/,
  ],
];

describe("the steps of a rebuild", () => {
  test.each(cases)("%s", (_name, now, targets, reason) => {
    const steps = planRebuild(base, now);
    expect(steps.map(({ target, emptyTarget }) => `${target}${emptyTarget === true ? "!" : ""}`)).toEqual(targets);
    expect(steps[0]?.reason ?? "").toMatch(reason);
    for (const step of steps) expect(step.reason).not.toBe("");
  });

  test("the first build", () => {
    expect(planRebuild(undefined, base)).toEqual([{ target: "all", reason: "nothing has been built yet" }]);
  });

  test("a new kernel rebuilds the packages with kernel modules", () => {
    const old = withPackage("zfs", { dependencies: ["linux"] });
    const now = { ...old, fragments: new Map([...base.fragments, ["linux", "k2"]]) };
    expect(planRebuild(old, now).map(({ target }) => target)).toEqual(["zfs-dirclean", "linux-reconfigure", "all"]);
  });

  test("without per-package directories a removed overlay file needs a clean build", () => {
    const old = withConfig({ BR2_PER_PACKAGE_DIRECTORIES: undefined });
    const now = { ...old, overlay: new Map([["/etc/motd", "m1"]]) };
    expect(planRebuild(old, now).map(({ target }) => target)).toEqual(["clean", "all"]);
  });

  test("a removed package is named with its build directory, because its recipe may no longer exist", () => {
    const [step] = planRebuild(base, withPackage("cocos-agent", undefined));
    expect(step).toEqual({ target: "cocos-agent-dirclean", reason: "cocos-agent is removed", removes: "build/cocos-agent-0.4" });
  });

  test("without per-package directories a removed package needs a clean build", () => {
    const old = withConfig({ BR2_PER_PACKAGE_DIRECTORIES: undefined });
    expect(planRebuild(old, withPackage("git", undefined, old)).map(({ target }) => target)).toEqual(["clean", "all"]);
    expect(planRebuild(old, withPackage("host-kmod", undefined, old)).map(({ target }) => target)).toEqual(["host-kmod-dirclean", "all"]);
  });

  test("without per-package directories a rebuilt package needs a clean build", () => {
    const old = withConfig({ BR2_PER_PACKAGE_DIRECTORIES: undefined });
    expect(planRebuild(old, { ...old, recipes: new Map([["cocos-agent", "r2"]]) }).map(({ target }) => target)).toEqual(["clean", "all"]);
    const reconfigured = planRebuild(old, { ...old, fragments: new Map([...base.fragments, ["linux", "k2"]]) });
    expect(reconfigured.map(({ target, emptyTarget }) => [target, emptyTarget])).toEqual([
      ["linux-reconfigure", undefined],
      ["all", undefined],
    ]);
  });
});
