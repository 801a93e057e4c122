import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { backends } from "../../src/backends/index.js";
import { refuseProfile } from "../../src/backends/refusals.js";
import { render } from "../../src/render/render.js";
import { resolve } from "../../src/resolve/resolve.js";
import { buildOptions } from "../build/options.js";
import { profile, workspace } from "../load/workspace.js";

const before = process.env.HAL_CACHE;
let dir = "";
beforeAll(async () => {
  dir = await workspace({});
  process.env.HAL_CACHE = join(dir, "cache");
});
afterAll(() => {
  if (before === undefined) delete process.env.HAL_CACHE;
  else process.env.HAL_CACHE = before;
});

test("a feature that Debian cannot provide is left out only when the profile omits it", async () => {
  const feature = "apiVersion: hal/v1\nkind: Feature\nname: f\ndescription: d\ndebian: {unavailable: nobody packages it}\n";
  const files = { "f.yaml": feature, "p.yaml": profile("features: [./f.yaml]") };
  const wanted = await resolve(join(await workspace(files), "p.yaml"));
  const refusal = { kind: "input", message: expect.stringMatching(/feature 'f': nobody packages it/), at: { line: 7 } };
  await expect(refuseProfile.debian(wanted)).rejects.toMatchObject(refusal);
  const omitted = await resolve(join(await workspace(files), "p.yaml"), { set: ["backends.debian.omit=[f]"] });
  await expect(refuseProfile.debian(omitted)).resolves.toBeUndefined();
});

test("a missing source tree or make file is refused at the line that names it", async () => {
  const at = { file: expect.stringMatching(/p\.yaml$/), line: 7 };
  const named = await workspace({ "p.yaml": profile("buildroot: {overrides: {zlib: zlib}}") });
  const message = `${join(named, "zlib")} does not exist`;
  await expect(refuseProfile.buildroot(await resolve(join(named, "p.yaml")), {})).rejects.toMatchObject({ kind: "input", message, at });
  const included = await workspace({ "p.yaml": profile("buildroot: {localMk: local.mk}") });
  await expect(resolve(join(included, "p.yaml"))).rejects.toMatchObject({ kind: "input", at });
});

test.each([
  ["BR2_TARGET_ENABLE_ROOT_LOGIN: y", "use debug: true"],
  ["BR2_TARGET_GENERIC_GETTY: y", "use debug: true"],
  ["BR2_TARGET_GENERIC_ROOT_PASSWD: x", "use debug: true"],
  ["BR2_ROOTFS_POST_BUILD_SCRIPT: ''", "use overlays, files or buildroot.localMk"],
  ["BR2_ROOTFS_POST_FAKEROOT_SCRIPT: x", "use overlays, files or buildroot.localMk"],
  ["BR2_ROOTFS_OVERLAY: /etc", "use overlays"],
  ["BR2_ROOTFS_USERS_TABLES: x", "use users"],
  ["BR2_DOWNLOAD_FORCE_CHECK_HASHES: n", "remove it: every build of hal needs it"],
  ["BR2_GLOBAL_PATCH_DIR: x", "use buildroot.localMk"],
  ["BR2_PRIMARY_SITE: 'file://x/../etc'", "use buildroot.primarySite"],
  ["BR2_LINUX_KERNEL_CUSTOM_GIT: y", "use kernel.version or kernel.tarball"],
  ["BR2_LINUX_KERNEL_PATCH: x", "use kernel.version or kernel.tarball"],
  ["BR2_LINUX_KERNEL_USE_CUSTOM_CONFIG: y", "use kernel.config or kernel.fragments"],
  ["BR2_TARGET_ROOTFS_EXT2_SIZE: 1G", "use layout and layoutOptions"],
  ["BR2_PACKAGE_LIBSECCOMP: n", "remove it: the image needs hal's value"],
  ["BR2_PACKAGE_CRYPTSETUP: n", "remove it: the image needs hal's value"],
])("a symbol that belongs to hal is refused where it is set: %s", async (symbol, remedy) => {
  const symbols = [`config: {${symbol}}`, `toolchain: {external: ., config: {${symbol}}}`];
  for (const buildroot of symbols) {
    const dir = await workspace({ "p.yaml": profile(`buildroot: {${buildroot}}`) });
    const refused = { kind: "input", message: expect.stringMatching(/^BR2_\w+ is a symbol that hal sets$/), remedy, at: { line: 7 } };
    await expect(refuseProfile.buildroot(await resolve(join(dir, "p.yaml")), {})).rejects.toMatchObject(refused);
  }
});

test("a profile can set a default of hal, or a symbol to hal's own value", async () => {
  const config = "{BR2_PACKAGE_SYSTEMD_HWDB: y, BR2_TARGET_ROOTFS_TAR: y, BR2_REPRODUCIBLE: y, BR2_TARGET_GENERIC_GETTY: n}";
  const dir = await workspace({ "p.yaml": profile(`buildroot: {config: ${config}}`) });
  await expect(refuseProfile.buildroot(await resolve(join(dir, "p.yaml")), {})).resolves.toBeUndefined();
});

test.each(["openssh-server+", "openssh-server-", "openssh-server=1:9", "openssh-server/sid", "openssh*", "task^"])(
  "apt's syntax is not the name of a package: %s",
  async (name) => {
    const dir = await workspace({ "p.yaml": profile(`debian: {packages: ["${name}"]}`) });
    await expect(resolve(join(dir, "p.yaml"))).rejects.toMatchObject({ kind: "input", at: { line: 7 } });
  },
);

test.each(["g++", "libstdc++6", "gh"])("a name that looks like apt's syntax: %s", async (name) => {
  const dir = await workspace({ "p.yaml": profile(`debian: {packages: ["${name}"]}`) });
  expect((await resolve(join(dir, "p.yaml"))).debianPackages).toEqual([name]);
});

test.each([
  ["debian", {}, ["Solve the package set of Debian trixie", "Download packages, make root tree, tools and kernel"]],
  [
    "buildroot",
    {},
    ["Clone Buildroot 2026.02.3", "Configure Buildroot 2026.02.3", "Remove what must be rebuilt", "Build packages and images"],
  ],
  ["buildroot", { tree: "/br", until: "configure" }, ["Configure Buildroot /br", "Record the configuration"]],
  ["buildroot", { tree: "/br", until: "kernel" }, ["Configure Buildroot /br", "Remove what must be rebuilt", "Build the kernel"]],
  ["buildroot", { tree: "/br", shell: true }, ["Configure Buildroot /br", "Prepare the shell"]],
] as const)("the %s backend plans its steps with %o, asks no network and writes nothing", async (backend, more, titles) => {
  const resolved = await resolve("dev");
  const options = buildOptions({ backend, out: join(dir, "out"), buildroot: more });
  const { steps } = await backends[backend].plan({ resolved, rendered: render(resolved, backend), options });
  expect(steps.titles.slice(0, titles.length)).toEqual(titles);
  expect(await readdir(dir)).toEqual([]);
});
