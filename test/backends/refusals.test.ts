import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { BuildOptions } from "../../src/backends/backend.js";
import { buildroot } from "../../src/backends/buildroot/index.js";
import { debian } from "../../src/backends/debian/index.js";
import { planBuild } from "../../src/build/plan.js";
import { buildAll } from "../../src/commands/build.js";
import { resolve } from "../../src/resolve/resolve.js";
import { buildOptions } from "../build/options.js";
import { profile, workspace } from "../load/workspace.js";

const before = process.env.HAL_CACHE;
let dir = "";
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "hal-refusals-"));
  process.env.HAL_CACHE = join(dir, "cache");
});
afterAll(async () => {
  if (before === undefined) delete process.env.HAL_CACHE;
  else process.env.HAL_CACHE = before;
  await rm(dir, { recursive: true, force: true });
});

const options = (): BuildOptions => buildOptions({ backend: "debian", out: join(dir, "out") });

test("a feature that Debian cannot provide is left out only where the profile says so", async () => {
  const feature = "apiVersion: hal/v1\nkind: Feature\nname: f\ndescription: d\ndebian: {unavailable: nobody packages it}\n";
  const files = { "f.yaml": feature, "p.yaml": profile("features: [./f.yaml]") };
  const wanted = await resolve(join(await workspace(files), "p.yaml"));
  const refusal = { kind: "input", message: expect.stringMatching(/feature 'f': nobody packages it/), at: { line: 7 } };
  await expect(debian.check(wanted, options())).rejects.toMatchObject(refusal);
  await expect(planBuild(wanted, options())).rejects.toMatchObject(refusal);
  const left = await resolve(join(await workspace(files), "p.yaml"), { set: ["backends.debian.omit=[f]"] });
  await expect(planBuild(left, options())).resolves.toMatchObject({ backend: "debian" });
});

test("a source tree or a make file of the user's that is not there is refused where it is named", async () => {
  const at = { file: expect.stringMatching(/p\.yaml$/), line: 7 };
  const named = await workspace({ "p.yaml": profile("buildroot: {overrides: {zlib: zlib}}") });
  const message = `${join(named, "zlib")} does not exist`;
  await expect(buildroot.check(await resolve(join(named, "p.yaml")), options())).rejects.toMatchObject({ kind: "input", message, at });
  const included = await workspace({ "p.yaml": profile("buildroot: {localMk: local.mk}") });
  await expect(resolve(join(included, "p.yaml"))).rejects.toMatchObject({ kind: "input", at });
});

test.each([
  ["debian", "solve the package set and record it"],
  ["buildroot", "clone Buildroot 2026.02.3"],
] as const)("a plan of the %s backend asks no network and writes nothing", async (backend, first) => {
  const { steps } = await planBuild(await resolve("dev"), { ...options(), backend });
  expect(steps[0]).toBe(first);
  expect(await readdir(dir)).toEqual([]);
});

test.each([{ until: "kernel" as const }, { shell: true }, { buildroot: "." }, { allowVersion: true }])(
  "%s is the other backend's",
  async (more) => {
    const { buildroot: _, ...common } = options();
    const build = buildAll({ ...common, profile: ["dev"], set: [], dryRun: true, ...more });
    await expect(build).rejects.toMatchObject({ kind: "input", message: expect.stringMatching(/^--.* is the buildroot backend's/) });
  },
);
