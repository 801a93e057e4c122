import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runCommand } from "../../src/lib/tools.js";
import type { BackendName, Rendered } from "../../src/model/resolved.js";
import { buildrootSymbols } from "../../src/render/buildroot-symbols.js";
import { render } from "../../src/render/render.js";
import { fill } from "../../src/render/templates.js";
import { writeTree } from "../../src/render/write-tree.js";
import { resolve } from "../../src/resolve/resolve.js";
import { commandsOf } from "./commands.js";

const fixture = (name: string): string => join(import.meta.dirname, "fixture", `${name}.yaml`);
const shipped = ["sev-snp", "sev-snp-ram", "tdx", "tdx-ram", "sev", "nitro", "dev"];

function textOf(rendered: Rendered, path: string): string {
  const file = rendered.files.find((entry) => entry.path === path);
  if (file === undefined) throw new Error(`not rendered: ${path}`);
  return new TextDecoder().decode(file.content);
}

const tree = async (name: string, set: readonly string[] = [], backend: BackendName = "buildroot"): Promise<Rendered> =>
  render(await resolve(name, { set }), backend);

/** Everything of a rendered tree that is not copied from elsewhere, as one text. */
function whole(rendered: Rendered): string {
  return rendered.files
    .filter(({ path }) => !path.startsWith("package/") && path !== "Config.in")
    .map(
      (file) =>
        `==> ${file.path} ${file.mode.toString(8)} ${file.link === undefined ? "" : `-> ${file.link}`}\n${new TextDecoder().decode(file.content)}`,
    )
    .join("\n");
}

describe("rendering", () => {
  test.each(["verity", "ram"])("the tree of the fixture %s is the golden one", async (name) => {
    await expect(whole(await tree(fixture(name)))).toMatchFileSnapshot(`../golden/render-${name}.txt`);
  });

  test("renders the same bytes each time, in path order", async () => {
    const first = await tree(fixture("verity"));
    expect(await tree(fixture("verity"))).toEqual(first);
    const paths = first.files.map(({ path }) => path);
    expect(paths).toEqual([...paths].sort());
  });

  test.each(shipped)("%s renders without a value that was escaped for HTML", async (name) => {
    const rendered = await tree(name);
    const texts = rendered.files.filter(({ path }) => !path.startsWith("package/")).map(({ path }) => textOf(rendered, path));
    expect(texts.join("")).not.toMatch(/&(amp|lt|gt|quot|#x27|#x3D|#x60);/);
    expect(rendered.files.map(({ path }) => path)).toEqual(
      expect.arrayContaining(["external.desc", "board/hal/init", "board/hal/post-image.sh"]),
    );
  });

  test("an SSH server has host keys of its boot, and needs systemd", async () => {
    const { files } = await tree(fixture("verity"), ["ssh=true"]);
    expect(files.find(({ path }) => path.endsWith("etc/ssh/ssh_host_ed25519_key"))?.link).toBe("/run/hal-ssh/ssh_host_ed25519_key");
    const busybox = await resolve(fixture("ram"), { set: ["ssh=true"] });
    expect(() => render(busybox, "buildroot")).toThrow(/ssh needs init: systemd/);
  });

  test("a file of the profile that is a directory of another is an input error", async () => {
    const resolved = await resolve(fixture("verity"), { set: ["files=[{path: /etc/site/inner, content: x}]"] });
    expect(() => render(resolved, "buildroot")).toThrow(expect.objectContaining({ kind: "input" }));
  });

  test("an unknown variable in a template is an error", () => {
    expect(() => fill("board/hal/busybox.fragment", {}, { file: "x" })).toThrow(/does not have/);
    expect(() => fill("board/hal/overlay/etc/hosts", {}, { file: "x" })).toThrow(/does not have/);
    expect(() => fill("board/hal/overlay/etc/hosts", { hostname: "x" }, { file: "x" })).not.toThrow();
  });
});

describe("shell", () => {
  let dir = "";
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), "hal-render-"));
  });
  afterAll(() => rm(dir, { recursive: true, force: true }));

  test("every rendered script passes shellcheck and has short lines, debug or not, for both backends", async () => {
    const scripts: string[] = [];
    const uki = { "sev-snp": ["boot=uki"], "sev-snp-ram": ["boot=uki"], nitro: [], dev: ["boot=uki", "launch.firmware={package: ovmf}"] };
    const cases = Object.entries(uki).flatMap(([name, asUki]) => [
      { name, set: ["debug=false"], backend: "buildroot" as const },
      { name, set: ["debug=true"], backend: "buildroot" as const },
      { name, set: ["debug=true"], backend: "debian" as const },
      { name, set: asUki, backend: "debian" as const },
    ]);
    for (const { name, set, backend } of cases) {
      const rendered = await tree(name, set, backend);
      const place = join(dir, `${name}-${set}-${backend}`);
      await writeTree(rendered, place);
      for (const { path } of rendered.files.filter(({ path }) => path.startsWith("board/"))) {
        const text = textOf(rendered, path);
        if (!text.startsWith("#!/bin/sh\n")) continue;
        scripts.push(join(place, path));
        expect(
          text.split("\n").filter((line) => line.length > 120),
          `${name} ${set} ${backend} ${path}`,
        ).toEqual([]);
      }
    }
    expect(scripts.length).toBeGreaterThan(20);
    await runCommand({ tool: "shellcheck", args: ["--shell=sh", ...scripts] });
  }, 60_000);

  test("init runs nothing that the initramfs does not have", async () => {
    const rendered = await tree("sev-snp");
    const image = textOf(rendered, "board/hal/post-image.sh");
    const applets = (/ln -s busybox .*\ndone <<'EOF'\n((?:.+\n)*?)EOF$/m.exec(image)?.[1] ?? "").split("\n");
    const programs = [...image.matchAll(/^add_program (\S+)$/gm)].map((match) => match[1] ?? "");
    const have = new Set([...applets, ...programs]);
    const commands = commandsOf(textOf(rendered, "board/hal/init"));
    expect(commands).toContain("veritysetup");
    expect(commands.filter((command) => !have.has(command))).toEqual([]);
  });
});

describe("Buildroot symbols", () => {
  const symbolValue = async (symbol: string, ...set: string[]): Promise<string | undefined> =>
    buildrootSymbols(await resolve(fixture("verity"), { set })).find((request) => request.symbol === symbol)?.value;

  test("what hal implies says so, and what the profile asks for stands instead", async () => {
    const symbols = buildrootSymbols(await resolve(fixture("verity"), { set: ["buildroot.config.BR2_TARGET_ROOTFS_TAR=y"] }));
    expect(symbols.find(({ symbol }) => symbol === "BR2_INIT_SYSTEMD")).toMatchObject({ value: "y", by: "hal (init: systemd)" });
    expect(symbols.filter(({ symbol }) => symbol === "BR2_TARGET_ROOTFS_TAR")).toMatchObject([{ value: "y", by: "profile verity" }]);
    expect(new Set(symbols.map(({ symbol }) => symbol)).size).toBe(symbols.length);
  });

  test("parts of systemd and lvm2 that Buildroot adds by itself come only when a feature asks", async () => {
    const values = async (profile: string) => {
      const symbols = buildrootSymbols(await resolve(profile));
      return (name: string): string | undefined => symbols.find(({ symbol }) => symbol === `BR2_PACKAGE_${name}`)?.value;
    };
    const enclave = await values("nitro");
    expect([enclave("SYSTEMD_NETWORKD"), enclave("SYSTEMD_TIMESYNCD"), enclave("SYSTEMD_VCONSOLE")]).toEqual(["n", "n", "n"]);
    expect((await values("sev-snp"))("SYSTEMD_NETWORKD")).toBe("y");
    // The whole of lvm2 would come with cryptsetup.
    expect((await values("dev"))("LVM2_STANDARD_INSTALL")).toBe("n");
    // systemd without it ignores the system call filters of units.
    expect(enclave("LIBSECCOMP")).toBe("y");
    expect((await values("dev"))("LIBSECCOMP")).toBeUndefined();
  });

  test("a custom kernel always comes with the symbol of its headers", async () => {
    expect(await symbolValue("BR2_PACKAGE_HOST_LINUX_HEADERS_CUSTOM_6_12")).toBe("y");
    expect(await symbolValue("BR2_PACKAGE_HOST_LINUX_HEADERS_CUSTOM_6_18", "kernel.version=6.18.33")).toBe("y");
    const older = ["kernel.version=6.18.33", "buildroot.version=2025.02.16"];
    expect(await symbolValue("BR2_KERNEL_HEADERS_6_12", ...older)).toBe("y");
    expect(await symbolValue("BR2_PACKAGE_HOST_LINUX_HEADERS_CUSTOM_6_18", ...older)).toBeUndefined();
  });

  test("toolchains", async () => {
    expect(await symbolValue("BR2_TOOLCHAIN_EXTERNAL_BOOTLIN", "buildroot.toolchain=bootlin")).toBe("y");
    const external = ["buildroot.toolchain={external: /opt/gcc, prefix: x86_64-linux, gcc: 14, headers: '6.12', config: {}}"];
    expect(await symbolValue("BR2_TOOLCHAIN_EXTERNAL_GCC_14", ...external)).toBe("y");
    expect(await symbolValue("BR2_TOOLCHAIN_EXTERNAL_HEADERS_6_12", ...external)).toBe("y");
    expect(await symbolValue("BR2_TOOLCHAIN_EXTERNAL_PATH", ...external)).toMatch(/^".*\/opt\/gcc"$/);
    expect(await symbolValue("BR2_KERNEL_HEADERS_AS_KERNEL", ...external)).toBeUndefined();
  });

  test("a unified kernel image is refused, because Buildroot has no ukify", async () => {
    const resolved = await resolve(fixture("verity"), { set: ["boot=uki", "launch.firmware={package: ovmf}"] });
    const refusal = expect.objectContaining({
      kind: "input",
      at: { file: "--set boot" },
      remedy: expect.stringMatching(/boot: direct/),
    });
    expect(() => render(resolved, "buildroot")).toThrow(refusal);
    expect(textOf(render(resolved, "debian"), "board/hal/post-image.sh")).toContain("ukify build");
  });
});
