import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { planRebuild, type RebuildState } from "../../src/backends/buildroot/rebuild.js";
import { rebuildState, sourceDigests } from "../../src/backends/buildroot/rebuild-state.js";
import type { ShownPackage } from "../../src/backends/buildroot/show-info.js";
import { readDotConfig } from "../../src/kconfig/dotconfig.js";
import { render } from "../../src/render/render.js";
import { resolve } from "../../src/resolve/resolve.js";

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "hal-inputs-"));
  const makeFiles = {
    "linux/linux.mk": "LINUX_VERSION = 6\n",
    "package/busybox/busybox.mk": "BUSYBOX_DEPENDENCIES = $(if $(BR2_PACKAGE_BASH),bash)\n",
    "package/lvm2/lvm2.mk": "define LVM2_LINUX_CONFIG_FIXUPS\n\t$(call KCONFIG_ENABLE_OPT,CONFIG_BLK_DEV_DM)\nendef\n",
    "package/bash/bash.mk": "BASH_VERSION = 5\n",
  };
  for (const [path, text] of Object.entries(makeFiles)) {
    mkdirSync(join(dir, path, ".."), { recursive: true });
    writeFileSync(join(dir, path), text);
  }
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

function shown(name: string, folder = `package/${name}`): [string, ShownPackage] {
  const known = {
    type: "target",
    version: "1",
    virtual: false,
    dependencies: [],
    licenses: "",
    source: undefined,
    replaced: false,
  } as const;
  return [name, { ...known, directory: `build/${name}-1`, folder }];
}

const usual = [shown("linux", "linux"), shown("busybox")];

/** The state of the profile `dev` with changes, its packages, and the symbols of Buildroot's `.config`. */
async function stateOf(set: readonly string[], packages = usual, symbols: Readonly<Record<string, string>> = {}): Promise<RebuildState> {
  const resolved = await resolve("dev", { set });
  const lines = Object.entries({ BR2_PER_PACKAGE_DIRECTORIES: "y", ...symbols }).map(([symbol, value]) => `${symbol}=${value}\n`);
  const config = readDotConfig(lines.join(""), ".config", "BR2_");
  const tree = { dir, version: "2026.02.3", commit: undefined };
  const rendered = render(resolved, "buildroot");
  const sources = await sourceDigests(rendered);
  return rebuildState({ rendered, tree, buildrootOutput: "/o", config, packages: new Map(packages), sources });
}

async function planned(set: readonly string[], packages = usual, symbols = {}): Promise<readonly string[]> {
  return planRebuild(await stateOf([]), await stateOf(set, packages, symbols)).map(({ target }) => target);
}

describe("a change of the profile rebuilds", () => {
  it("nothing, when no file of the image changes", async () => {
    expect(await planned(["launch.memory=2G"])).toEqual([]);
  });

  it("the kernel, configured again, for a kernel option", async () => {
    expect(await planned(["kernel.config.CONFIG_IKCONFIG=y"])).toEqual(["linux-reconfigure", "all"]);
  });

  it("the kernel from scratch, for another archive of the same name", async () => {
    expect(await planned([`kernel.sha256=${"0".repeat(64)}`])).toEqual(["linux-dirclean", "all"]);
  });

  it("everything, for another sourceDateEpoch", async () => {
    expect(await planned(["sourceDateEpoch=1767225601"])).toEqual(["clean", "all"]);
  });

  it("the kernel too, for a new package that changes its configuration", async () => {
    expect(await planned([], [...usual, shown("bash")], { BR2_PACKAGE_BASH: "y" })).toEqual(["busybox-dirclean", "bash", "all"]);
    expect(await planned([], [...usual, shown("lvm2")], { BR2_PACKAGE_LVM2: "y" })).toEqual(["linux-reconfigure", "lvm2", "all"]);
  });

  it("a package and the host package of that name, for a change in a source tree that the user's make file names", async () => {
    const [file, source] = [join(dir, "source.mk"), join(dir, "source $ #1")];
    mkdirSync(source);
    writeFileSync(join(source, "main.c"), "1");
    writeFileSync(file, `BASH_OVERRIDE_SRCDIR = ${join(dir, "source $$ \\#1")}\nLVM2_OVERRIDE_SRCDIR = /nowhere\n`);
    const packages = [...usual, shown("bash"), shown("host-bash")];
    const state = () => stateOf([`buildroot.localMk=${file}`], packages);
    const before = await state();
    expect(planRebuild(before, await state())).toEqual([]);
    writeFileSync(join(source, "main.c"), "2");
    const steps = planRebuild(before, await state());
    expect(steps.map(({ target }) => target)).toEqual(["bash-dirclean", "host-bash-dirclean", "all"]);
  });

  it("only a new package, when the user's make file set its variables before", async () => {
    const file = join(dir, "site.mk");
    const set = [`buildroot.localMk=${file}`];
    writeFileSync(file, "override BASH_VERSION = 5.1\n");
    const before = await stateOf(set);
    expect([...before.recipes.keys()]).toContain("bash");
    const after = await stateOf(set, [...usual, shown("bash")]);
    expect(planRebuild(before, after).map(({ target }) => target)).toEqual(["bash", "all"]);
    writeFileSync(file, "override BASH_VERSION = 5.2\n");
    expect(planRebuild(before, await stateOf(set))).toEqual([]);
  });
});
