import { describe, expect, test } from "vitest";
import { eventText, parseBuildLine } from "../../src/backends/buildroot/events.js";
import { failedDirectory, summarizeFailure } from "../../src/backends/buildroot/failure.js";

const BOLD = "\u001b[7m";
const RESET = "\u001b[27m";

describe("lines that announce a step", () => {
  test.each([
    [`${BOLD}>>> linux 6.12.91 Building${RESET}`, "linux", "6.12.91", "Building", "build"],
    [`${BOLD}>>> host-skeleton  Extracting${RESET}`, "host-skeleton", undefined, "Extracting", "extract"],
    [">>> busybox 1.37.0 Downloading", "busybox", "1.37.0", "Downloading", "download"],
    [">>> busybox 1.37.0 Installing to target\r", "busybox", "1.37.0", "Installing to target", "install"],
    [">>> host-broken 1.0 Syncing from source dir /src/my dir", "host-broken", "1.0", "Syncing from source dir /src/my dir", "extract"],
    [">>> host-m4 1.4.19 Updating config.sub and config.guess", "host-m4", "1.4.19", "Updating config.sub and config.guess", "configure"],
    [">>> zlib  Fixing libtool files", "zlib", undefined, "Fixing libtool files", "install"],
    [">>>   Finalizing target directory", undefined, undefined, "Finalizing target directory", "finalize"],
    [">>>   Generating filesystem image rootfs.ext2", undefined, undefined, "Generating filesystem image rootfs.ext2", "images"],
    [
      ">>>   Executing post-image script board/hal/post-image.sh",
      undefined,
      undefined,
      "Executing post-image script board/hal/post-image.sh",
      "images",
    ],
    ["\u001b[1m>>> linux 6.12.91 Something new\u001b(B\u001b[m", "linux", "6.12.91", "Something new", "other"],
  ])("%j", (line, name, version, step, phase) => {
    expect(parseBuildLine(line)).toEqual({ package: name, version, step, phase });
  });

  test.each(["", ">>>", "cc -c main.c", "  >>> indented 1 Building", "make[1]: Entering directory '/x'", ">>> one"])("not %j", (line) => {
    expect(parseBuildLine(line)).toBeUndefined();
  });
});

test.each([
  [">>> linux 6.12.91 Building", "linux 6.12.91: building"],
  [">>> host-skeleton  Extracting", "host-skeleton: extracting"],
  [">>> busybox 1.37.0 Syncing from source dir /src/My", "busybox 1.37.0: syncing from source dir /src/My"],
  [">>>   Finalizing target directory", "Finalizing target directory"],
])("%s, as a person is shown it", (line, text) => {
  const event = parseBuildLine(line);
  expect(event && eventText(event)).toBe(text);
});

// Recorded from Buildroot 2026.02.3; only directories and hosts are shortened.
const compileError = `${BOLD}>>> host-skeleton  Building${RESET}
cat: /etc/nothing: No such file or directory
${BOLD}>>> host-broken 1.0 Configuring${RESET}
mkdir -p /o/per-package/host-broken/host
${BOLD}>>> host-broken 1.0 Building${RESET}
/usr/bin/gcc -c -o /o/build/host-broken-1.0/main.o /o/build/host-broken-1.0/main.c
/o/build/host-broken-1.0/main.c: In function 'main':
/o/build/host-broken-1.0/main.c:4:16: error: 'missing' undeclared (first use in this function)
    4 |         return missing;
      |                ^~~~~~~
make: *** [package/pkg-generic.mk:273: /o/build/host-broken-1.0/.stamp_built] Error 1
make: Leaving directory '/buildroot'`.split("\n");

const downloadError = `${BOLD}>>> host-tar 1.35 Downloading${RESET}
wget -nd -t 3 --connect-timeout=10 -O '/o/build/.tar-1.35.cpio.gz.TFo0I1/output' 'https://source.example/tar/tar-1.35.cpio.gz' 
Resolving source.example (source.example)... failed: Name or service not known.
wget: unable to resolve host address 'source.example'
make: *** [package/pkg-generic.mk:179: /o/build/host-tar-1.35/.stamp_downloaded] Error 1`.split("\n");

describe("a failure", () => {
  test("of a compiler: package, version, step, and the relevant line", () => {
    const failure = summarizeFailure(compileError);
    expect(failure).toMatchObject({ package: "host-broken", version: "1.0", step: "Building" });
    expect(failure.errors).toEqual(["/o/build/host-broken-1.0/main.c:4:16: error: 'missing' undeclared (first use in this function)"]);
    expect(failure.advice).toContain("host-broken-dirclean host-broken");
    expect(failure.lastLines.at(-1)).toContain(".stamp_built] Error 1");
  });

  test("is recognized by make's report, which names the directory", () => {
    expect(compileError.map(failedDirectory).filter((found) => found !== undefined)).toEqual(["/o/build/host-broken-1.0"]);
    expect(failedDirectory("make: *** [package/pkg-generic.mk:273: /a b/build/zlib-1.3/.stamp_built] Error 2")).toBe("/a b/build/zlib-1.3");
    expect(failedDirectory("make[3]: *** [Makefile:9: all] Error 2")).toBeUndefined();
    expect(summarizeFailure(compileError).directory).toBe("/o/build/host-broken-1.0");
  });

  test("among several packages: other packages' errors are left out, and the missing stamp names the step", () => {
    const mixed = [
      ">>> libaio 0.3.113 Patching",
      "/o/build/busybox-1.37.0/scripts/gcc-version.sh: line 11: /o/per-package/busybox/host/bin/gcc: No such file or directory",
      "aio.c:7:3: error: deliberately broken",
      "/o/build/libaio-0.3.113/src/a.c:1:1: error: too",
      "make: *** [package/pkg-generic.mk:273: /o/build/libaio-0.3.113/.stamp_built] Error 1",
    ];
    const { errors, step } = summarizeFailure(mixed);
    expect(step).toBe("Building");
    expect(errors).toEqual(["aio.c:7:3: error: deliberately broken", "/o/build/libaio-0.3.113/src/a.c:1:1: error: too"]);
  });

  test("of a package that compiles a hash.c is not a wrong hash", () => {
    const failure = summarizeFailure([">>> zlib 1.3.1 Building", "  CC hash.o", "a.c:1: error: no"]);
    expect(failure.advice).toContain("zlib-dirclean zlib");
  });

  test("of a download", () => {
    const failure = summarizeFailure(downloadError);
    expect(failure).toMatchObject({ package: "host-tar", version: "1.35", step: "Downloading" });
    expect(failure.errors).toEqual([
      "Resolving source.example (source.example)... failed: Name or service not known.",
      "wget: unable to resolve host address 'source.example'",
    ]);
    expect(failure.advice).toContain("primary site");
  });

  test("belongs to the package that make's stamp names, not to the one that printed last", () => {
    const at = compileError.length - 2;
    const mixed = [
      ...compileError.slice(0, at),
      `${BOLD}>>> zlib 1.3.1 Building${RESET}`,
      ...compileError.slice(at),
      ">>> zlib 1.3.1 Installing to target",
    ];
    expect(summarizeFailure(mixed)).toMatchObject({ package: "host-broken", version: "1.0", step: "Building" });
  });

  test("of a step whose announcement is no longer in the output", () => {
    expect(
      summarizeFailure(["make: *** [package/pkg-generic.mk:273: /o/build/util-linux-2.41.1/.stamp_target_installed] Error 2"]),
    ).toMatchObject({
      package: "util-linux",
      version: "2.41.1",
      step: "Installing to target",
    });
  });

  test.each([
    ["cc1: fatal error: error writing to /o/x.s: No space left on device", /free disk space/],
    [
      'Makefile.legacy:9: *** "You have legacy configuration in your .config! Please check your configuration.".  Stop.',
      /names each legacy symbol/,
    ],
    ["ERROR: busybox-1.37.0.tar.bz2 has wrong sha256 hash:", /\.hash file/],
    ["c++: fatal error: Killed signal terminated program cc1plus", /fewer --jobs/],
    ["Connecting to 127.0.0.1:9... failed: Connection refused.", /--offline forbids to fetch it/],
    ["fatal: transport 'https' not allowed", /--offline forbids to fetch it/],
    ["Connecting to source.example (source.example)|192.0.2.1|:443... failed: Connection timed out.", /primary site/],
    ["1 out of 3: Hunk #2 FAILED at 10.", /patch does not fit/],
  ])("%s", (line, advice) => {
    const failure = summarizeFailure([">>> busybox 1.37.0 Building", line]);
    expect(failure.errors).toEqual([line]);
    expect(failure.advice).toMatch(advice);
  });

  test("without any known line", () => {
    expect(summarizeFailure([])).toMatchObject({ package: undefined, step: undefined, errors: [], advice: "read the whole log" });
  });
});
