import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { describe, expect, test } from "vitest";
import { halRoot } from "../../src/lib/paths.js";
import type { DocumentKind } from "../../src/load/kinds.js";
import { load } from "../../src/load/load.js";
import { toPlain } from "../../src/load/tree.js";
import { render } from "../../src/render/render.js";
import { resolve } from "../../src/resolve/resolve.js";

const folders: Readonly<Record<DocumentKind, string>> = { profile: "profiles", layout: "layouts", feature: "features" };

function yamlFiles(kind: DocumentKind): string[] {
  const folder = join(halRoot, folders[kind]);
  return readdirSync(folder)
    .filter((name) => name.endsWith(".yaml"))
    .sort()
    .map((name) => join(folder, name));
}

const names = (kind: DocumentKind): string[] =>
  yamlFiles(kind)
    .map((file) => basename(file, ".yaml"))
    .sort();
const profiles = names("profile").filter((name) => name !== "base");

test("the shipped names are those of the design", () => {
  expect(names("profile")).toEqual(["base", "dev", "nitro", "sev", "sev-snp", "sev-snp-ram", "tdx", "tdx-ram"]);
  expect(names("layout")).toEqual(["hardened", "ram"]);
  expect(names("feature")).toEqual(expect.arrayContaining(["agent", "docker", "p9", "python", "tpm", "wasm"]));
});

const documents = (Object.keys(folders) as DocumentKind[]).flatMap((kind) =>
  yamlFiles(kind).map((file) => ({ kind, file, name: basename(file) })),
);

test.each(documents)("$kind $name holds its schema, is called like its file, and says what it is", async ({ kind, file }) => {
  const document = toPlain(await load(file, kind)) as { readonly name?: unknown; readonly description?: unknown };
  expect(document.name).toBe(basename(file, ".yaml"));
  expect(document.description).toMatch(/\S/);
});

describe.each(profiles)("profile %s", (name) => {
  test("resolves and renders", async () => {
    const rendered = render(await resolve(name), "buildroot");
    expect(rendered.files.map((file) => file.path)).toContain(`configs/hal_${name.replaceAll("-", "_")}_defconfig`);
  });

  test("asks every kernel option for one value only, over all of its fragments", async () => {
    const { kernelFragments } = await resolve(name);
    const asked = new Map<string, { readonly value: string; readonly fragment: string }>();
    for (const fragment of kernelFragments) {
      for (const { symbol, value } of fragment.requests) {
        const earlier = asked.get(symbol);
        if (earlier !== undefined)
          expect.soft(`${symbol}=${value} (${fragment.name})`).toBe(`${symbol}=${earlier.value} (${fragment.name})`);
        asked.set(symbol, { value, fragment: fragment.name });
      }
    }
    expect(asked.size).toBeGreaterThan(200);
  });

  test("nobody can log in, and the console is silent", async () => {
    const { profile, cmdline } = await resolve(name);
    expect({ ssh: profile.ssh, debug: profile.debug, console: cmdline.filter((word) => word.startsWith("console=")) }).toEqual({
      ssh: false,
      debug: false,
      console: ["console=null"],
    });
  });
});

test.each(["sev-snp-ram", "tdx-ram"])("%s has the kernel command line of the in-RAM HAL, word for word", async (name) => {
  expect((await resolve(name)).cmdline.join(" ")).toBe("console=null quiet");
});

test.each(profiles)("%s runs with units that have a way to be started", async (name) => {
  const { rootParts } = await resolve(name);
  for (const unit of rootParts.flatMap(({ units }) => units).filter(({ enable }) => enable))
    expect(unit.content, unit.name).toMatch(/^\[Install\]\n(WantedBy|RequiredBy)=/m);
});

test("every file of a feature and every kernel fragment is used by somebody", async () => {
  const used = new Set<string>();
  for (const name of profiles)
    for (const { requests } of (await resolve(name)).kernelFragments) for (const { at } of requests) used.add(at.file);
  for (const fragment of readdirSync(join(halRoot, "profiles/kernel"))) expect(used).toContain(join(halRoot, "profiles/kernel", fragment));
  const text = yamlFiles("feature")
    .concat(yamlFiles("profile"))
    .map((file) => readFileSync(file, "utf8"))
    .join("\n");
  for (const folder of ["features/docker", "features/p9", "profiles/units"]) {
    expect(existsSync(join(halRoot, folder))).toBe(true);
    for (const name of readdirSync(join(halRoot, folder))) expect(text, `${folder}/${name}`).toContain(`${basename(folder)}/${name}`);
  }
});
