import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { formatConfigLine } from "../../src/kconfig/dotconfig.js";
import { parseKconfig } from "../../src/kconfig/parse.js";
import { buildrootEnvironment, resolveBuildrootConfig } from "../../src/kconfig/resolve-config.js";
import { buildrootSymbols } from "../../src/render/buildroot-symbols.js";
import { defconfigText, menuOf } from "../../src/render/defconfig.js";
import { externalSymbols } from "../../src/render/static-files.js";
import { resolve } from "../../src/resolve/resolve.js";
import { buildroot, directory, noBuildroot } from "../kconfig/tree.js";

const profiles = ["sev-snp", "sev-snp-ram", "tdx", "nitro", "dev"];
const textOf = async (name: string): Promise<string> => {
  const resolved = await resolve(name);
  return defconfigText(resolved, buildrootSymbols(resolved));
};
const isSetting = (line: string): boolean => /^(BR2_\w+=|# BR2_\w+ is not set$)/.test(line);
const menuFiles = {
  "Target options": "arch/Config.in",
  Toolchain: "toolchain/Config.in",
  "Build options": "Config.in",
  "System configuration": "system/Config.in",
  Kernel: "linux/Config.in",
  "Target packages": "package/Config.in",
  "Filesystem images": "fs/Config.in",
  Bootloaders: "boot/Config.in",
  "Host utilities": "package/Config.in.host",
} as const;

describe.each(profiles)("the defconfig of %s", (name) => {
  test("has every symbol once, in sections in the order of Buildroot's menus, the architecture first", async () => {
    const resolved = await resolve(name);
    const lines = defconfigText(resolved, buildrootSymbols(resolved)).split("\n");
    expect(lines.filter(isSetting).sort()).toEqual(buildrootSymbols(resolved).map(formatConfigLine).sort());
    expect(lines.find(isSetting)).toBe("BR2_x86_64=y");
    const headings = lines.filter((_, index) => lines[index - 1] === "#" && lines[index + 1] === "#").map((line) => line.slice(2));
    const order = [...Object.keys(menuFiles), "External options"];
    expect(headings).toEqual(order.filter((menu) => headings.includes(menu)));
    expect(headings.length).toBeGreaterThan(6);
  });

  test("names who asks for each line", async () => {
    let reason = "";
    for (const line of (await textOf(name)).split("\n")) {
      if (isSetting(line)) expect(reason, line).toMatch(/^# (hal \(.+\)|profile|feature) ?/);
      else reason = line;
    }
  });
});

test("a line whose purpose is not plain says it", async () => {
  const text = await textOf("sev-snp");
  expect(text).toContain("# hal (init: systemd): without it, systemd ignores SystemCallFilter= in units\nBR2_PACKAGE_LIBSECCOMP=y\n");
  expect(text).toMatch(/#\n# External options\n#\n# feature agent\nBR2_PACKAGE_COCOS_AGENT=y\n# feature wasm\nBR2_PACKAGE_WASMEDGE=y\n$/);
});

test("every symbol of Buildroot gets the section of its menu", async ({ skip }) => {
  skip(buildroot === undefined, noBuildroot);
  const tree = buildroot ?? "";
  const output = directory();
  const defconfig = join(directory({ "x.config": "BR2_x86_64=y\n" }), "x.config");
  await resolveBuildrootConfig({ buildroot: tree, externals: [], defconfig, output });
  const environment = { ...(await buildrootEnvironment(tree, output)), BR2_BASE_DIR: output };
  const menus = new Map<string, string>();
  for (const [menu, file] of Object.entries(menuFiles)) {
    if (file === "Config.in") continue;
    const { symbols } = parseKconfig({ root: tree, file, environment, prefix: "" });
    for (const { name, definitions } of symbols.values()) if (definitions.some(({ prompt }) => prompt !== undefined)) menus.set(name, menu);
  }
  // The build options are in Buildroot's first file itself.
  for (const [, name = ""] of readFileSync(join(tree, "Config.in"), "utf8").matchAll(/^config (BR2_\w+)$/gm)) {
    if (!/^BR2_(HAVE_DOT_CONFIG|BROKEN|HIDE_|VERSION|HOSTARCH|BASE_DIR|HOST_GCC|NEEDS_HOST)/.test(name)) menus.set(name, "Build options");
  }
  expect(menus.size).toBeGreaterThan(5000);
  const wrong = [...menus].filter(([name, menu]) => name.startsWith("BR2_") && menuOf(name, new Set()) !== menu);
  expect(wrong).toEqual([]);
  expect([...externalSymbols()].map((name) => menuOf(name, externalSymbols()))).toEqual(["External options", "External options"]);
});
