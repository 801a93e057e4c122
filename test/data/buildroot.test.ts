import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { describe, expect, test } from "vitest";
import { versionOf } from "../../src/backends/buildroot/source.js";
import { parseKconfig } from "../../src/kconfig/parse.js";
import { buildrootEnvironment, resolveBuildrootConfig } from "../../src/kconfig/resolve-config.js";
import { halRoot } from "../../src/lib/paths.js";
import { buildrootSymbols } from "../../src/render/buildroot-symbols.js";
import { resolve } from "../../src/resolve/resolve.js";
import { buildroot, directory, noBuildroot } from "../kconfig/tree.js";

/** The releases whose symbols are listed in test/vectors/buildroot-VERSION.txt, with their git commits. */
const releases: Readonly<Record<string, string>> = {
  "2025.02.16": "135af563b945b8c3d18f8fd370370075b9edb140",
  "2026.02.3": "679b9ead7620bbf193620d1ebf56f53c1764d37a",
};
const profiles = ["dev", "nitro", "sev", "sev-snp", "sev-snp-ram", "tdx", "tdx-ram"];
const packages = join(halRoot, "buildroot-external/package");

const listOf = (release: string): string => join(halRoot, `test/vectors/buildroot-${release}.txt`);

/** Symbols that a user can set: of the release, and of hal's own packages. */
function settable(release: string): Set<string> {
  const known = readFileSync(listOf(release), "utf8").split("\n");
  const own = readdirSync(packages).flatMap((name) =>
    [...readFileSync(join(packages, name, "Config.in"), "utf8").matchAll(/^config (BR2_\w+)$/gm)].map((match) => match[1] ?? ""),
  );
  return new Set([...known, ...own]);
}

describe.each(Object.entries(releases))("Buildroot %s", (release, commit) => {
  test.each(profiles)("has every symbol that %s asks for", async (name) => {
    const known = settable(release);
    const set = [`buildroot.version=${release}`, `buildroot.commit=${commit}`];
    const resolved = await resolve(name, { set });
    const lacking = new Set(
      resolved.features.filter(({ buildroot }) => buildroot.unavailable[release] !== undefined).map((feature) => `feature ${feature.name}`),
    );
    const unknown = buildrootSymbols(resolved).filter(({ symbol, by }) => !known.has(symbol) && !lacking.has(by));
    expect(unknown.map(({ symbol, by }) => `${symbol} (${by})`)).toEqual([]);
  });
});

/** To write the list of a new release: add it above, and run this test with `--update`. */
test("the list of a release has the symbols of its Config.in files", async ({ skip }) => {
  skip(buildroot === undefined, noBuildroot);
  const tree = buildroot ?? "";
  const version = await versionOf(tree);
  skip(releases[version] === undefined, `HAL_TEST_BUILDROOT is Buildroot ${version}, and test/vectors has no list of its symbols`);
  const output = directory();
  const defconfig = join(directory({ defconfig: "BR2_x86_64=y\n" }), "defconfig");
  await resolveBuildrootConfig({ buildroot: tree, externals: [], defconfig, output });
  const environment = await buildrootEnvironment(tree, output);
  const { symbols } = parseKconfig({ root: tree, file: "Config.in", environment, prefix: "" });
  const names = [...symbols.values()]
    .filter(({ definitions }) => definitions.some(({ prompt }) => prompt !== undefined))
    .filter(({ definitions }) => !definitions.some(({ at }) => basename(at.file) === "Config.in.legacy"))
    .map(({ name }) => name)
    .sort();
  const origin = `# Symbols of Buildroot ${version} (git ${releases[version]}) that a user can set, read from its Config.in files.`;
  await expect(`${[origin, ...names].join("\n")}\n`).toMatchFileSnapshot(listOf(version));
});

describe.each(readdirSync(packages))("package %s", (name) => {
  const read = (file: string): string => readFileSync(join(packages, name, file), "utf8");

  test("is pinned: one version, one sha256 for its archive and one for its licence", () => {
    const prefix = name.toUpperCase().replaceAll("-", "_");
    const version = read(`${name}.mk`).match(new RegExp(`^${prefix}_VERSION = (\\S+)$`, "m"))?.[1];
    expect(version).toMatch(/^(v?[0-9]+(\.[0-9]+)+|[0-9a-f]{40})$/);
    const hashes = [...read(`${name}.hash`).matchAll(/^sha256 {2}[0-9a-f]{64} {2}(\S+)$/gm)].map((match) => match[1]);
    expect(hashes).toEqual([`${name}-${version}-git4.tar.gz`, "LICENSE"]);
  });

  test("downloads nothing behind Buildroot's back", () => {
    expect(read(`${name}.mk`)).not.toMatch(/\b(curl|wget)\b/);
  });

  test("installs units that are there", () => {
    const named = [...read(`${name}.mk`).matchAll(/\b[a-z-]+\.(?:service|mount)\b/g)].map(([unit]) => unit);
    const shipped = readdirSync(join(packages, name)).filter((file) => /\.(service|mount)$/.test(file));
    expect([...new Set(named)].sort()).toEqual(shipped.sort());
  });
});

test("every unit that the agent feature starts is one that its package installs", async () => {
  const { features } = await resolve("sev-snp");
  const agent = features.find((feature) => feature.name === "agent");
  expect(agent?.enable.length).toBeGreaterThan(0);
  for (const unit of agent?.enable ?? []) expect(existsSync(join(packages, "cocos-agent", unit)), unit).toBe(true);
});
