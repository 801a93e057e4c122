import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type BuildrootDirs, buildrootDirs } from "../../src/backends/buildroot/dirs.js";
import { makeCommand, shellCommand } from "../../src/backends/buildroot/environment.js";
import { parseBuildLine } from "../../src/backends/buildroot/events.js";
import { summarizeFailure } from "../../src/backends/buildroot/failure.js";
import { filesNamingBuild } from "../../src/backends/buildroot/leaks.js";
import { runMake } from "../../src/backends/buildroot/make.js";
import type { RebuildState } from "../../src/backends/buildroot/rebuild.js";
import { makeRecipes, readState, serializeState, treeDigest } from "../../src/backends/buildroot/rebuild-state.js";
import { imagePackages, showInfo } from "../../src/backends/buildroot/show-info.js";
import { versionOf } from "../../src/backends/buildroot/source.js";
import { Tracker } from "../../src/backends/buildroot/tracker.js";
import { make } from "../../src/commands/make.js";
import type { HalError } from "../../src/lib/errors.js";
import { runCommand } from "../../src/lib/tools.js";

let dir: string;
let dirs: BuildrootDirs;
const signal = new AbortController().signal;

/** A tree with the given Makefile; make is the real one. */
function tree(makefile: string): { dir: string; version: string; commit: undefined } {
  writeFileSync(join(dir, "Makefile"), `export BR2_VERSION := 2025.02.16\n${makefile}`);
  return { dir, version: "2025.02.16", commit: undefined };
}

async function failureOf(work: Promise<unknown>): Promise<HalError> {
  return work.then(
    () => Promise.reject(new Error("no error")),
    (error: unknown) => error as HalError,
  );
}

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "hal-buildroot-"));
  dirs = { buildrootOutput: join(dir, "o"), external: join(dir, "external"), downloads: join(dir, "dl"), read: [] };
  for (const path of [dirs.buildrootOutput, dirs.external, dirs.downloads]) mkdirSync(path);
});

afterEach(() => rmSync(dir, { recursive: true, force: true }));

describe("the environment of make", () => {
  it("contains nothing of the caller's environment", async () => {
    process.env.CFLAGS = "-Dleaked";
    try {
      const { stdout } = await runCommand(makeCommand(tree("all:\n\t@env\n"), dirs, ["-s"]));
      expect(stdout).toContain("BR2_DL_DIR=/hal-build/dl\n");
      expect(stdout).toContain("HOME=/tmp\n");
      expect(stdout).not.toContain("leaked");
    } finally {
      delete process.env.CFLAGS;
    }
  });

  it.each([
    [false, ["lo"]],
    [true, expect.arrayContaining([expect.not.stringMatching(/^lo$/)])],
  ])("has a network of its own, or the machine's if asked: %s", async (network, expected) => {
    const devices = "all:\n\t@cut -s -d: -f1 /proc/net/dev\n";
    const { stdout } = await runCommand(makeCommand(tree(devices), dirs, ["-s"], { network }));
    expect(stdout.trim().split(/\s+/)).toEqual(expected);
  });

  it("runs in Buildroot's tree: relative directories are made absolute", () => {
    expect(buildrootDirs("out/w", "out/e", { downloads: "dl" })).toEqual({
      buildrootOutput: resolve("out/w/buildroot"),
      external: resolve("out/e"),
      downloads: resolve("dl"),
      read: [],
    });
  });

  it("uses the caller's download directory", () => {
    process.env.BR2_DL_DIR = "/srv/dl";
    try {
      expect(buildrootDirs("/w", "/e").downloads).toBe("/srv/dl");
    } finally {
      delete process.env.BR2_DL_DIR;
    }
    expect(buildrootDirs("/w", "/e").downloads).toMatch(/\/dl$/);
  });

  it("is the shell's too, with the build's own tools first", async () => {
    process.env.SHELL = "/bin/sh";
    const shell = shellCommand(tree(""), dirs);
    const { stdout } = await runCommand({ ...shell, args: [...shell.args, "-c", 'echo "$PWD $TARGET_DIR ${PATH%%:*}"'] });
    expect(stdout).toBe("/hal-build/output /hal-build/output/target /hal-build/output/host/bin\n");
  });
});

describe("make", () => {
  const options = () => ({ log: join(dir, "log"), report: (text: string) => void reports.push(text), verbose: false, signal });
  let reports: string[];
  beforeEach(() => {
    reports = [];
  });

  const packages = new Map(["zlib", "busybox"].map((name) => [name, `build/${name}-1`]));
  const track = () => Tracker.open(dirs.buildrootOutput, join(dir, "times.json"), packages);
  /** A recipe line that does one phase of zlib as Buildroot would. */
  const phase = (step: string, stamp: string, seconds = 0) =>
    `\t@echo '>>> zlib 1 ${step}'; mkdir -p $(O)/build/zlib-1; echo "$$(date +%s.%N):start:${stamp}               : zlib" >>$(O)/build/build-time.log; ` +
    `sleep ${seconds}; echo "$$(date +%s.%N):end  :${stamp}               : zlib" >>$(O)/build/build-time.log; touch $(O)/build/zlib-1/.stamp_${stamp}\n`;

  it("counts finished packages, also those of an earlier build", async () => {
    mkdirSync(join(dirs.buildrootOutput, "build/busybox-1"), { recursive: true });
    writeFileSync(join(dirs.buildrootOutput, "build/busybox-1/.stamp_installed"), "");
    const made = tree(
      `all:\n${phase("Building", "built")}${phase("Installing to target", "installed")}\t@echo '>>>   Finalizing target directory'\n`,
    );
    const tracker = await track();
    expect(tracker.incomplete()).toEqual(["zlib"]);
    await runMake(makeCommand(made, dirs, []), { ...options(), tracker });
    expect(reports).toEqual([
      "zlib 1: building (1 of 2 packages done)",
      "zlib 1: installing to target (1 of 2 packages done)",
      "Finalizing target directory (2 of 2 packages done)",
    ]);
    expect(tracker.incomplete()).toEqual([]);
  });

  it("shows the packages being built, not the last one that printed", async () => {
    const tracker = await track();
    const note = (line: string): void => {
      const event = parseBuildLine(line);
      if (event !== undefined) tracker.note(event);
    };
    note(">>> busybox 1 Building");
    note(">>> zlib 1 Configuring");
    expect(tracker.state().text).toBe("busybox 1: building, zlib 1: configuring (0 of 2 packages done)");
    mkdirSync(join(dirs.buildrootOutput, "build/zlib-1"), { recursive: true });
    writeFileSync(join(dirs.buildrootOutput, "build/zlib-1/.stamp_installed"), "");
    expect(tracker.state().text).toBe("busybox 1: building (1 of 2 packages done)");
  });

  it("estimates the time left from the last build", async () => {
    const alone = new Map([["zlib", "build/zlib-1"]]);
    const open = () => Tracker.open(dirs.buildrootOutput, join(dir, "times.json"), alone);
    const made = tree(
      `all:\n${phase("Building", "build", 0.4)}${phase("Installing to target", "installed")}\t@echo '>>>   Finalizing target directory'; sleep 0.3\n`,
    );
    const first = await open();
    expect(first.left()).toBeUndefined();
    await runMake(makeCommand(made, dirs, []), { ...options(), tracker: first });
    await first.finished();
    rmSync(join(dirs.buildrootOutput, "build"), { recursive: true });
    const second = await open();
    const left: (number | undefined)[] = [second.left()];
    await runMake(makeCommand(made, dirs, []), { ...options(), report: (_, seconds) => left.push(seconds), tracker: second });
    // Before the build, and at the start of building, installing and finalizing.
    const [before = 0, building = 0, installing = 0, finalizing = 0] = left;
    expect(before).toBeGreaterThan(0.7);
    expect(before).toBeLessThan(1.5);
    expect(building).toBeGreaterThan(0.6);
    expect(installing).toBeLessThan(building - 0.3);
    expect(finalizing).toBeGreaterThan(0.2);
    expect(finalizing).toBeLessThan(0.6);
  });

  it("keeps the time of a package that is only configured again apart from that of a build from scratch", async () => {
    const alone = new Map([["zlib", "build/zlib-1"]]);
    const build = async (seconds: number, again: readonly string[]): Promise<number | undefined> => {
      const tracker = await Tracker.open(dirs.buildrootOutput, join(dir, "times.json"), alone, again);
      const left = tracker.left();
      const made = tree(`all:\n${phase("Building", "build", seconds)}${phase("Installing to target", "installed")}`);
      await runMake(makeCommand(made, dirs, []), { ...options(), tracker });
      await tracker.finished();
      rmSync(join(dirs.buildrootOutput, "build/zlib-1"), { recursive: true });
      return left;
    };
    writeFileSync(join(dir, "times.json"), JSON.stringify({ packages: {}, finish: 0 }));
    expect(await build(0.5, [])).toBeUndefined();
    expect(await build(0.1, ["zlib"])).toBeUndefined();
    expect(await build(0.1, ["zlib"])).toBeLessThan(0.4);
    expect(await build(0.5, [])).toBeGreaterThan(0.45);
  });

  it("reports package, step, the relevant lines and the log", async () => {
    const stamp = join(dirs.buildrootOutput, "build/zlib-1.3/.stamp_built");
    const made = tree(`all: ${stamp}\n${stamp}:\n\t@echo '>>> zlib 1.3 Building'; echo 'a.c:1:2: error: no such thing' >&2; exit 1\n`);
    const error = await failureOf(runMake(makeCommand(made, dirs, []), options()));
    expect(error.kind).toBe("command");
    expect(error.message).toBe("package zlib 1.3 failed while building");
    expect(error.details).toEqual(["a.c:1:2: error: no such thing"]);
    expect(error.remedy).toContain(join(dir, "log"));
  });

  it("reports a failure at once while other packages are being built", async () => {
    const stamp = join(dirs.buildrootOutput, "build/zlib-1.3/.stamp_built");
    const made = tree(
      `all: ${stamp} other\n${stamp}:\n\t@until [ -e $(O)/began ]; do sleep 0.1; done\n` +
        "\t@echo '>>> zlib 1.3 Building'; echo 'a.c:1:2: error: no such thing'; exit 1\nother:\n\t@touch $(O)/began; sleep 4\n",
    );
    const written: string[] = [];
    const stderr = vi.spyOn(process.stderr, "write").mockImplementation((text) => written.push(String(text)) > 0);
    const began = performance.now();
    const tell = new Promise<number>((resolve) => {
      const look = setInterval(() => {
        if (written.length === 0) return;
        clearInterval(look);
        resolve(performance.now() - began);
      }, 50);
    });
    const error = await failureOf(runMake(makeCommand(made, dirs, [], { jobs: 2 }), options()));
    const ended = performance.now() - began;
    stderr.mockRestore();
    expect(error.message).toBe("package zlib 1.3 failed while building");
    expect(await tell).toBeLessThan(ended - 500);
    expect(written.join("")).toContain("package zlib 1.3 failed while building:\n  a.c:1:2: error: no such thing\n");
  });

  it("stops make when it is interrupted", async () => {
    const controller = new AbortController();
    const made = tree("all:\n\t@echo '>>> zlib 1.3 Building'; sleep 60\n");
    const began = performance.now();
    const report = () => controller.abort();
    const error = await failureOf(runMake(makeCommand(made, dirs, []), { ...options(), report, signal: controller.signal }));
    expect(error.kind).toBe("interrupted");
    expect(performance.now() - began).toBeLessThan(20_000);
  });
});

it("reports the message of Buildroot's own toolchain check", () => {
  // Output of 2025.02.16 with shortened commands.
  const { errors, step } = summarizeFailure([
    ">>> toolchain-external-custom  Configuring",
    "rsync -a --hard-links /o/per-package/skeleton/target/ /o/per-package/toolchain-external-custom/target",
    "OpenMP support is selected but is not available in external toolchain",
    "make: *** [package/pkg-generic.mk:263: /o/build/toolchain-external-custom/.stamp_configured] Error 1",
    "make: *** Waiting for unfinished jobs....",
  ]);
  expect(errors).toEqual(["OpenMP support is selected but is not available in external toolchain"]);
  expect(step).toBe("Configuring");
});

it("shows the last lines of the failed package, not of one that continued", () => {
  const { package: name, lastLines } = summarizeFailure([
    ">>> linux custom Building",
    ">>> libaio 0.3.113 Extracting",
    "tar: something odd",
    "make: *** [package/pkg-generic.mk:213: /o/build/libaio-0.3.113/.stamp_extracted] Error 127",
    ...Array.from({ length: 5000 }, (_, index) => `  CC      a${index}.o`),
  ]);
  expect(name).toBe("libaio");
  expect(lastLines).toContain("tar: something odd");
});

describe("show-info", () => {
  const shown = {
    zlib: {
      type: "target",
      version: "1.3",
      virtual: false,
      dependencies: ["toolchain"],
      licenses: "Zlib",
      package_dir: "package/zlib",
      downloads: [
        { source: "zlib-1.3.tar.xz", uris: ["https+https://a.example/zlib", "http|urlencode+http://sources.buildroot.net/zlib"] },
      ],
    },
    "host-zlib": { type: "host", version: "1.3", virtual: false },
    toolchain: { type: "target", virtual: true },
    rootfs: { type: "rootfs" },
  };

  it("lists the packages of the image with source and hash", async () => {
    writeFileSync(join(dir, "info.json"), JSON.stringify(shown));
    mkdirSync(join(dir, "package/zlib"), { recursive: true });
    writeFileSync(join(dir, "package/zlib/zlib.hash"), "# from upstream\nsha256  abcd  zlib-1.3.tar.xz\nsha256  ffff  LICENSE\n");
    const made = tree("show-info:\n\t@cat info.json\n");
    const packages = await showInfo(made, dirs, signal);
    expect([...packages.keys()]).toEqual(["zlib", "host-zlib", "toolchain"]);
    expect(await imagePackages(packages, made, new Map(), dirs.downloads)).toEqual([
      { name: "zlib", version: "1.3", license: "Zlib", sha256: "abcd", source: "https://a.example/zlib/zlib-1.3.tar.xz" },
    ]);
  });

  it("digests the download when the .hash file has no sha256, and lists no path of this machine", async () => {
    const uris = ["file+file:///home/somebody"];
    writeFileSync(
      join(dir, "info.json"),
      JSON.stringify({ zlib: { ...shown.zlib, dl_dir: "zl", downloads: [{ source: "z.tar", uris }] } }),
    );
    mkdirSync(join(dirs.downloads, "zl"), { recursive: true });
    writeFileSync(join(dirs.downloads, "zl/z.tar"), "");
    const made = tree("show-info:\n\t@cat info.json\n");
    const [zlib] = await imagePackages(await showInfo(made, dirs, signal), made, new Map(), dirs.downloads);
    expect(zlib).toMatchObject({ source: "z.tar", sha256: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" });
  });

  it("does not list Buildroot's version of a package that the user's make file replaces", async () => {
    writeFileSync(join(dir, "info.json"), JSON.stringify({ zlib: { ...shown.zlib, stamp_dir: "build/zlib-custom" } }));
    const made = tree("show-info:\n\t@cat info.json\n");
    const [zlib] = await imagePackages(await showInfo(made, dirs, signal), made, new Map(), dirs.downloads);
    expect(zlib).toEqual({ name: "zlib", version: "custom", source: "a source tree of the builder's", license: "Zlib" });
  });

  it("does not list Buildroot's version of an overridden package", async () => {
    writeFileSync(join(dir, "info.json"), JSON.stringify(shown));
    const made = tree("show-info:\n\t@cat info.json\n");
    const [zlib] = await imagePackages(await showInfo(made, dirs, signal), made, new Map([["ZLIB", "0123456789abcdef"]]), dirs.downloads);
    expect(zlib).toMatchObject({ version: "override-0123456789ab", sha256: "0123456789abcdef" });
  });
});

describe("the state that a rebuild compares with", () => {
  const state: RebuildState = {
    buildroot: "2025.02.16 own tree",
    buildrootOutput: "/o",
    config: new Map([["BR2_PACKAGE_ZLIB", "y"]]),
    packages: new Map([["zlib", { type: "target", version: "1.3", dependencies: [], directory: "build/zlib-1.3" }]]),
    recipes: new Map(),
    reads: new Map([["zlib", ["BR2_PACKAGE_ZLIB"]]]),
    fragments: new Map([["linux", "a"]]),
    overlay: new Map([["/etc/motd", "b"]]),
    layout: "c",
    scripts: "d",
  };

  it("is read back unchanged", async () => {
    writeFileSync(join(dir, "state.json"), serializeState(state));
    expect(await readState(join(dir, "state.json"))).toEqual(state);
  });

  it("counts as none when its record is unreadable", async () => {
    writeFileSync(join(dir, "state.json"), serializeState(state).slice(0, 40));
    expect(await readState(join(dir, "state.json"))).toBeUndefined();
    writeFileSync(join(dir, "state.json"), serializeState(state).replace('"format":', '"was":'));
    expect(await readState(join(dir, "state.json"))).toBeUndefined();
  });

  it("attributes each variable of the user's make file to its package", () => {
    const text =
      "# ours\nZLIB_A = 1\noverride HOST_ZLIB_B = \\\n\t2\ndefine ZLIB_NG_C\n\tZLIB_A\nendef\noverride define ZLIB_D\n\tx\nendef\nTAR = x\n";
    expect(Object.fromEntries(makeRecipes(text, ["zlib", "host-zlib", "zlib-ng"]))).toEqual({
      zlib: "ZLIB_A = 1\noverride define ZLIB_D\n\tx\nendef\n",
      "host-zlib": "override HOST_ZLIB_B = \\\n\t2\n",
      "zlib-ng": "define ZLIB_NG_C\n\tZLIB_A\nendef\n",
      toolchain: "TAR = x\n",
    });
  });

  it("contains a digest of a source tree without its .git", async () => {
    const digest = await treeDigest(dirs.buildrootOutput);
    mkdirSync(join(dirs.buildrootOutput, ".git"));
    writeFileSync(join(dirs.buildrootOutput, ".git/HEAD"), "x");
    expect(await treeDigest(dirs.buildrootOutput)).toBe(digest);
    writeFileSync(join(dirs.buildrootOutput, "a.c"), "x");
    expect(await treeDigest(dirs.buildrootOutput)).not.toBe(digest);
  });
});

it("finds the files of the image that contain the build directory's path", async () => {
  mkdirSync(join(dirs.buildrootOutput, "target/usr/bin"), { recursive: true });
  writeFileSync(join(dirs.buildrootOutput, "target/usr/bin/tool"), `\x7fELF\0${dirs.buildrootOutput}/host/lib\0`);
  writeFileSync(join(dirs.buildrootOutput, "target/usr/bin/clean"), "\x7fELF\0/usr/lib\0");
  expect(await filesNamingBuild(dirs.buildrootOutput, dirs.buildrootOutput)).toEqual(["/usr/bin/tool"]);
  rmSync(join(dirs.buildrootOutput, "target/usr/bin/tool"));
  expect(await filesNamingBuild(dirs.buildrootOutput, dirs.buildrootOutput)).toEqual([]);
});

it("refuses a directory that is no Buildroot tree", async () => {
  const error = await failureOf(versionOf(dirs.buildrootOutput));
  expect(error.kind).toBe("input");
  expect(error.message).toBe("is not a Buildroot tree");
});

it("hal make reports a missing build before it opens the Buildroot tree", async () => {
  const nowhere = join(dir, "no-such-buildroot");
  const options = { out: join(dir, "nothing"), set: [], buildroot: nowhere, signal };
  await expect(make("dev", ["all"], options)).rejects.toThrow(/contains no build of 'dev'/);
});
