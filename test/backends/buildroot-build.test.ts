import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { versionOf } from "../../src/backends/buildroot/source.js";
import { build, planBuild } from "../../src/build/build.js";
import { workDirOf } from "../../src/build/publish.js";
import { sha256 } from "../../src/lib/digest.js";
import { hostTools } from "../../src/lib/host-tools.js";
import { findTool } from "../../src/lib/tools.js";
import { resolve } from "../../src/resolve/resolve.js";
import { buildOptions } from "../build/options.js";
import { buildPe } from "../codecs/build-pe.js";
import { buildroot, noBuildroot } from "../kconfig/tree.js";
import { skipEach } from "../skip-each.js";

const missing = [];
for (const { tool, stage } of hostTools) if (stage === "buildroot" && (await findTool(tool)) === undefined) missing.push(tool);
const noTools = missing.length > 0 ? `a Buildroot build needs ${missing.join(", ")}` : undefined;

/**
 * A `make` that records its arguments. It configures the real Buildroot, and instead of compiling it writes small files:
 * a kernel configuration as requested, with a Kconfig that defines its symbols, and the images. It runs in the sandbox,
 * so it is in a directory that the profile names, and records in Buildroot's output directory.
 */
const MAKE = `#!/bin/sh
set -eu
for word; do case "$word" in O=*) o=\${word#O=} ;; BR2_EXTERNAL=*) external=\${word#*=} ;; esac; done
echo "$*" | sed 's/.* -j1 //' >> "$o/calls"
case " $* " in
*" defconfig "*) exec REAL "$@" ;;
*" show-info "*) echo '{"linux": {"type": "target", "version": "custom", "stamp_dir": "build/linux-6"}}' ;;
*" linux-configure "*)
  mkdir -p "$o/build/linux-6" "$o/per-package"
  cat "$external"/board/hal/kernel/*.config > "$o/build/linux-6/.config"
  sed -nE 's/^# CONFIG_(\\w+) is not set$/config \\1\\n\\tbool "x"/p; s/^CONFIG_(\\w+)=[ym]$/config \\1\\n\\ttristate "x"/p
    s/^CONFIG_(\\w+)=[0-9].*$/config \\1\\n\\tint "x"/p; s/^CONFIG_(\\w+)=".*$/config \\1\\n\\tstring "x"/p' \\
    "$o/build/linux-6/.config" > "$o/build/linux-6/Kconfig" ;;
*" all "*)
  echo ">>> linux custom Building"
  mkdir -p "$o/images" "$o/target"
  touch "$o/build/linux-6/.stamp_installed" "$o/images/rootfs.ext2"
  cp NAMED/images/* "$o/images/" ;;
*" source "*) : > "$BR2_DL_DIR/archive" ;;
esac
`;

describe("a Buildroot build", () => {
  const skipped = noBuildroot ?? noTools;
  skipEach(skipped);
  const dir = mkdtempSync(join(tmpdir(), "hal-buildroot-build-"));
  const named = join(dir, "named");
  const path = process.env.PATH;
  let version = "";
  let real = "";
  const fake = () => MAKE.replaceAll("NAMED", named).replaceAll("REAL", real);
  beforeAll(async () => {
    if (skipped !== undefined) return;
    version = await versionOf(buildroot ?? "");
    for (const name of ["bin", "images"]) mkdirSync(join(named, name), { recursive: true });
    mkdirSync(join(dir, "dl"));
    real = (await findTool("make")) ?? "";
    writeFileSync(join(named, "bin/make"), fake());
    chmodSync(join(named, "bin/make"), 0o755);
    const images = {
      "initramfs.cpio.zst": "early boot",
      "rootfs.ext4": "root",
      "disk.img": "disk",
      cmdline: `roothash=${"0".repeat(64)}\n`,
    };
    for (const [name, content] of Object.entries(images)) writeFileSync(join(named, "images", name), content);
    writeFileSync(join(named, "images/bzImage"), buildPe([{ name: ".text", data: Buffer.from("kernel") }]));
    process.env.PATH = `${join(named, "bin")}:${path}`;
    process.env.BR2_DL_DIR = join(dir, "dl");
  });
  beforeEach(() => {
    vi.stubEnv("HAL_CACHE", join(dir, "cache"));
    vi.spyOn(process.stderr, "write").mockReturnValue(true);
  });
  afterEach(() => vi.unstubAllEnvs());
  afterAll(() => {
    process.env.PATH = path;
    delete process.env.BR2_DL_DIR;
    rmSync(dir, { recursive: true, force: true });
  });

  const output = async () => join((await workDirOf(join(dir, "out"), "dev")) ?? "", "buildroot");
  const calls = async () =>
    readFileSync(join(await output(), "calls"), "utf8")
      .split("\n")
      .slice(0, -1);
  const plan = async (set: readonly string[] = [], more: { until?: "kernel" } = {}) => {
    const resolved = await resolve("dev", { set: [`buildroot.version=${version}`, `buildroot.overrides.named=${named}`, ...set] });
    return planBuild(resolved, buildOptions({ backend: "buildroot", out: join(dir, "out"), buildroot: { tree: buildroot, ...more } }));
  };

  test("runs make once for each gate and publishes what it makes; the same build again changes nothing", async () => {
    const planned = await plan();
    expect(planned.steps.titles).toContain("Build packages and images");
    const result = await build(planned);
    if ("stage" in result) throw new Error("stopped");
    expect((await calls()).slice(2)).toEqual(["source", "toolchain linux-configure", "all"]); // after configuring
    const { kernel } = (await resolve("dev")).profile;
    expect(result.manifest).toMatchObject({ backend: "buildroot", packages: [{ name: "linux", version: kernel.version }] });
    expect(result.manifest.artifacts).toContainEqual({ name: "rootfs.ext4", size: 4, sha256: sha256("root") });
    expect(readdirSync(result.dir)).not.toContain("cmdline");
    expect(readdirSync(result.dir)).not.toContain("rootfs.ext2");
    expect((await plan()).upToDate).toEqual({ manifest: result.manifest, hashed: false });
    expect((await plan(["hostname=other"])).upToDate).toBeUndefined();
    vi.stubEnv("HAL_CACHE", join(dir, "another")); // as after a checkout of a repository that contains out/
    expect((await plan()).upToDate).toBeUndefined();
  });

  test.each(["images", "host"])("stops when make puts a link in the place of %s", async (name) => {
    writeFileSync(
      join(named, "bin/make"),
      fake().replace("esac\n", `esac\ncase " $* " in *" all "*) rm -rf "$o/${name}"; ln -s /etc "$o/${name}" ;; esac\n`),
    );
    await expect(plan().then(build)).rejects.toMatchObject({
      message: "is a link, and hal does not follow it",
      at: { file: join(await output(), name) },
    });
    rmSync(join(await output(), name));
    writeFileSync(join(named, "bin/make"), fake());
  });

  test("cannot change the downloads of other builds after its own download", async () => {
    writeFileSync(
      join(named, "bin/make"),
      fake().replace("esac\n", `esac\ncase " $* " in *" all "*) if touch "$BR2_DL_DIR/archive"; then exit 9; fi ;; esac\n`),
    );
    await plan(["hostname=third"]).then(build);
    writeFileSync(join(named, "bin/make"), fake());
  });

  test("with --until ends after that stage, without an image", async () => {
    const result = await build(await plan(["hostname=other"], { until: "kernel" }));
    expect(result).toEqual({ stage: "kernel", directory: await output() });
    expect((await calls()).at(-1)).toBe("linux");
  });
});
