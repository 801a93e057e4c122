import { chmod, chown, realpath } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { treeOf } from "../../src/load/outside.js";
import { resolve } from "../../src/resolve/resolve.js";
import { profile, workspace } from "./workspace.js";

/** A directory with somebody's repository, `theirs`, and files of the user beside it. */
async function machine(more: string, files: Readonly<Record<string, string>> = {}): Promise<string> {
  return workspace({
    "theirs/.git/config": "[http]\n\textraheader = AUTHORIZATION: basic c2VjcmV0\n",
    "theirs/profiles/p.yaml": profile(more),
    "theirs/files/inside": "theirs",
    "mine/secret": "secret",
    "mine/dir/secret": "secret",
    ...files,
  });
}

const refusal = (message: RegExp, line = 7) => ({
  kind: "input",
  at: expect.objectContaining({ line, file: expect.stringMatching(/\.yaml$/) }),
  message: expect.stringMatching(message),
});

afterEach(() => {
  delete process.env.HAL_TRUSTED_ROOTS;
});

describe("a path out of the tree of the file that names it", () => {
  test.each([
    ["files, absolute", "files: [{path: /x, source: /etc/shadow}]", {}],
    ["files, relative", "files: [{path: /x, source: ../../mine/secret}]", {}],
    ["files, through a link", "files: [{path: /x, source: ../files/link}]", { "theirs/files/link": "link:../../mine/secret" }],
    ["files, through a linked directory", "files: [{path: /x, source: ../files/link/secret}]", { "theirs/files/link": "link:../../mine" }],
    ["files, through a chain of links", "files: [{path: /x, source: ../a}]", { "theirs/a": "link:b", "theirs/b": "link:../mine/secret" }],
    ["a unit", "services: {units: [{name: a.service, source: ../../mine/secret}]}", {}],
    ["an overlay", "overlays: [../../mine/dir]", {}],
    ["an overlay that is a link", "overlays: [../files/link]", { "theirs/files/link": "link:../../mine/dir" }],
    ["a kernel fragment", "kernel: {fragments: [../../mine/secret]}", {}],
    ["a kernel archive", "kernel: {tarball: ../../mine/secret}", {}],
    ["a makefile", "buildroot: {localMk: ../../mine/secret}", {}],
    ["the sources of a package", "buildroot: {overrides: {zlib: ../../mine/dir}}", {}],
    ["a toolchain", "buildroot: {toolchain: {external: ../../mine/dir}}", {}],
    ["firmware", "launch: {firmware: {path: ../../mine/secret}}", {}],
    ["an IGVM file", "launch: {igvm: ../../mine/secret}", {}],
    ["a mirror", "buildroot: {primarySite: 'file:///etc'}", {}],
    ["a mirror of Debian", "debian: {mirror: 'file:///etc'}", {}],
    ["a mirror of Debian at a time", "debian: {mirror: 'file:///@SNAPSHOTID@etc'}", {}],
  ])("is refused where it is written: %s", async (_, more, files) => {
    const dir = await machine(more, files);
    const file = join(dir, "theirs/profiles/p.yaml");
    await expect(resolve(file)).rejects.toMatchObject({
      ...refusal(/(is|which is) outside of .*theirs, the tree of this file$/),
      remedy: expect.stringContaining("--allow-outside"),
    });
  });

  test("is refused in a feature and in a parent of that tree", async () => {
    const feature = "apiVersion: hal/v1\nkind: Feature\nname: f\ndescription: f\nfiles: [{path: /x, source: ../../mine/secret}]\n";
    const first = await machine("features: [f]", { "theirs/features/f.yaml": feature });
    await expect(resolve(join(first, "theirs/profiles/p.yaml"))).rejects.toMatchObject({
      ...refusal(/outside of .*theirs/, 5),
      at: { file: join(first, "theirs/features/f.yaml"), line: 5, column: expect.any(Number) },
    });
    const parent = profile("files: [{path: /x, source: ../../mine/secret}]").replace("name: p", "name: q");
    const second = await machine("extends: q", { "theirs/profiles/q.yaml": parent });
    await expect(resolve(join(second, "theirs/profiles/p.yaml"))).rejects.toMatchObject(refusal(/outside of .*theirs/));
  });

  test.each(["../../mine/q.yaml", "q"])("is refused as a parent: %s", async (reference) => {
    const parent = profile().replace("name: p", "name: q");
    const link = reference === "q" ? { "theirs/profiles/q.yaml": "link:../../mine/q.yaml" } : {};
    const dir = await machine(`extends: ${reference}`, { "mine/q.yaml": parent, ...link });
    await expect(resolve(join(dir, "theirs/profiles/p.yaml"))).rejects.toMatchObject(refusal(/outside of .*theirs/));
    expect((await resolve(join(dir, "theirs/profiles/p.yaml"), { allowOutside: true })).name).toBe("p");
  });

  test.each(["files: [{path: /x, source: ../.git/config}]", "files: [{path: /x, source: ../link}]", "overlays: [../.git]"])(
    "leads into the git repository's own data: %s",
    async (more) => {
      const dir = await machine(more, { "theirs/link": "link:.git/config" });
      await expect(resolve(join(dir, "theirs/profiles/p.yaml"))).rejects.toMatchObject(refusal(/git repository's own data/));
    },
  );
});

describe("a path is accepted", () => {
  const source = async (dir: string, options = {}): Promise<string> => {
    const { rootParts } = await resolve(join(dir, "theirs/profiles/p.yaml"), options);
    return Buffer.from(rootParts.at(-1)?.files[0]?.content ?? []).toString();
  };

  test("in another directory of the same git work tree, also through a link", async () => {
    expect(await source(await machine("files: [{path: /x, source: ../files/inside}]"))).toBe("theirs");
    const linked = await machine("files: [{path: /x, source: ../link}]", { "theirs/link": "link:files/inside" });
    expect(await source(linked)).toBe("theirs");
  });

  test("with --allow-outside, below a trusted root, and from the command line", async () => {
    const dir = await machine("files: [{path: /x, source: ../../mine/secret}]");
    expect(await source(dir, { allowOutside: true })).toBe("secret");
    process.env.HAL_TRUSTED_ROOTS = `relative:${join(dir, "mine")}`;
    expect(await source(dir)).toBe("secret");
    process.env.HAL_TRUSTED_ROOTS = join(dir, "min");
    await expect(source(dir)).rejects.toMatchObject(refusal(/outside of/));
    const plain = await machine("");
    expect(await source(plain, { set: [`files=[{path: /x, source: ${join(plain, "mine/secret")}}]`] })).toBe("secret");
  });

  test("when it does not exist, because hal reads nothing there", async () => {
    const dir = await machine("launch: {firmware: {path: /nowhere/OVMF.fd}}");
    expect((await resolve(join(dir, "theirs/profiles/p.yaml"))).profile.launch.firmware?.path).toBe("/nowhere/OVMF.fd");
  });
});

test.each([
  "file://x/../etc",
  "file:///srv/../etc",
  "file:///srv/./x",
  "file:////etc",
  "file:///%65tc",
  "file://localhost/etc",
  "file:/etc",
  "http://-oProxyCommand",
])("the address %s is refused for every mirror", async (address) => {
  for (const key of ["buildroot: {primarySite", "debian: {mirror"])
    await expect(resolve(join(await machine(`${key}: '${address}'}`), "theirs/profiles/p.yaml"))).rejects.toMatchObject(
      refusal(/which is not allowed/),
    );
});

test.each(["copy:///etc", "mirror+file:///etc", "cdrom:[x]/", "ssh://host/x", "ftp://host/x"])(
  "apt does not get the address %s",
  async (mirror) => {
    const file = join(await machine(`debian: {mirror: '${mirror}'}`), "theirs/profiles/p.yaml");
    await expect(resolve(file)).rejects.toMatchObject(refusal(/which is not allowed/));
  },
);

describe("the tree of a document", () => {
  const tree = async (path: string, files: Readonly<Record<string, string>> = {}): Promise<readonly [string, string | undefined]> => {
    const dir = await realpath(await workspace({ [path]: "", ...files }));
    return [dir, treeOf(join(dir, path))];
  };

  test("is its directory, or the directory with its profiles, layouts or features", async () => {
    for (const folder of ["profiles", "layouts", "features"]) {
      const [dir, found] = await tree(`a/${folder}/p.yaml`);
      expect(found).toBe(join(dir, "a"));
    }
    const [dir, found] = await tree("b/p.yaml");
    expect(found).toBe(join(dir, "b"));
  });

  test("is not the git repository of somebody else around it", async () => {
    const [dir, found] = await tree("vendor/them/p.yaml", { ".git/config": "" });
    expect(found).toBe(join(dir, "vendor/them"));
  });

  test("is no home directory, and no directory above one", async () => {
    const before = process.env.HOME;
    try {
      const dir = await realpath(await workspace({ "me/profiles/p.yaml": "", "me/p.yaml": "", "profiles/p.yaml": "", "p.yaml": "" }));
      process.env.HOME = join(dir, "me");
      expect(treeOf(join(dir, "me/p.yaml"))).toBeUndefined();
      expect(treeOf(join(dir, "me/profiles/p.yaml"))).toBe(join(dir, "me/profiles"));
      expect(treeOf(join(dir, "p.yaml"))).toBeUndefined();
      expect(treeOf(join(dir, "profiles/p.yaml"))).toBe(join(dir, "profiles"));
    } finally {
      process.env.HOME = before;
    }
  });

  test("is no home directory of another user, and no directory of the system", () => {
    for (const file of ["/p.yaml", "/etc/p.yaml", "/usr/p.yaml", "/tmp/p.yaml", "/root/p.yaml"]) expect(treeOf(file)).toBeUndefined();
  });

  test("is no directory that everybody can write", async () => {
    const dir = await realpath(await workspace({ "profiles/p.yaml": "", "p.yaml": "" }));
    await chmod(dir, 0o1777);
    expect(treeOf(join(dir, "p.yaml"))).toBeUndefined();
    expect(treeOf(join(dir, "profiles/p.yaml"))).toBe(join(dir, "profiles"));
  });

  test.runIf(process.getuid?.() === 0)("is no directory of another owner", async () => {
    const dir = await realpath(await workspace({ "profiles/p.yaml": "" }));
    await chown(join(dir, "profiles"), 1000, 1000);
    expect(treeOf(join(dir, "profiles/p.yaml"))).toBe(join(dir, "profiles"));
  });

  test("without a tree, a document can name no file", async () => {
    const dir = await realpath(await workspace({ "p.yaml": profile("files: [{path: /x, source: ./secret}]"), secret: "" }));
    await chmod(dir, 0o1777);
    await expect(resolve(join(dir, "p.yaml"))).rejects.toMatchObject(refusal(/has no tree of its own/));
  });
});
