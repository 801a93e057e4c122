import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, describe, expect, test } from "vitest";
import { requireFileInside } from "../../src/build/collect.js";
import { refuseLinks } from "../../src/lib/links.js";
import { render } from "../../src/render/render.js";
import { writeTree } from "../../src/render/write-tree.js";
import { resolve } from "../../src/resolve/resolve.js";
import { profile, workspace } from "../load/workspace.js";
import { smallRoot } from "./small-root.js";

const made: string[] = [];
afterAll(async () => {
  for (const dir of made.splice(0)) await rm(dir, { recursive: true, force: true });
});

/** A directory of the host with one file, which nothing may change. */
async function canary(): Promise<{ dir: string; untouched: () => Promise<void> }> {
  const dir = await mkdtemp(join(tmpdir(), "hal-canary-"));
  made.push(dir);
  const names = ["passwd", "hostname", "shadow", "machine-id", "init", "apt", "file"];
  for (const name of names) await writeFile(join(dir, name), "root::1::::::\n");
  const untouched = async (): Promise<void> => {
    expect((await readdir(dir)).sort()).toEqual([...names].sort());
    for (const name of names) expect(await readFile(join(dir, name), "utf8")).toBe("root::1::::::\n");
  };
  return { dir, untouched };
}

describe("hal check refuses a link of an overlay", () => {
  test.each([
    ["etc", "/etc/hostname"],
    ["etc/hostname", "/etc/hostname"],
    ["etc/passwd", "/etc/passwd"],
    ["etc/shadow", "/etc/shadow"],
    ["etc/machine-id", "/etc/machine-id"],
    ["etc/resolv.conf", "/etc/resolv.conf"],
    ["etc/systemd/system", "/etc/systemd/system"],
    ["usr/lib/modules", "/usr/lib/modules"],
    ["usr", "/usr/lib/modules"],
    ["dev", "/dev"],
    ["var/cache", "/var/cache"],
    ["var/lib", "/var/lib/dbus"],
    ["var/log", "/var/log"],
    ["home", "/home/agent"],
  ])("at %s, because hal writes %s", async (path, writes) => {
    const users = "users: [{name: agent, uid: 990, home: /home/agent}]";
    for (const target of ["/srv/host", "somewhere"]) {
      const dir = await workspace({ "p.yaml": profile(`overlays: [overlay]\n${users}`), [`overlay/${path}`]: `link:${target}` });
      const resolved = await resolve(join(dir, "p.yaml"));
      for (const backend of ["debian", "buildroot"] as const)
        expect(() => render(resolved, backend)).toThrow(
          expect.objectContaining({
            kind: "input",
            at: { file: join(dir, "overlay", path) },
            message: expect.stringMatching(new RegExp(`^/${path} is a link to ${target}, and hal writes .*in the image$`)),
          }),
        );
      expect(writes.startsWith(`/${path}`)).toBe(true);
    }
  });

  test("that files makes, and a file in the place of a directory", async () => {
    const dir = await workspace({
      "p.yaml": profile("files: [{path: /etc/hostname, link: /srv/host}]"),
      "q/p.yaml": profile("overlays: [overlay]"),
      "q/overlay/var/cache": "file",
      "r/p.yaml": profile("overlays: [overlay]"),
      "r/overlay/var/lib": "file",
    });
    const first = await resolve(join(dir, "p.yaml"));
    const message = "/etc/hostname is a link to /srv/host, and hal writes /etc/hostname in the image";
    expect(() => render(first, "debian")).toThrow(expect.objectContaining({ at: expect.objectContaining({ line: 7 }), message }));
    const third = await resolve(join(dir, "r/p.yaml"));
    expect(() => render(third, "debian")).toThrow(/^\/var\/lib is a file, and hal writes \/var\/lib/);
  });

  test("and accepts links elsewhere", async () => {
    const dir = await workspace({ "p.yaml": profile("overlays: [overlay]"), "overlay/etc/localtime": "link:/usr/share/zoneinfo/UTC" });
    const rendered = render(await resolve(join(dir, "p.yaml")), "debian");
    expect(rendered.files.find(({ path }) => path.endsWith("etc/localtime"))).toMatchObject({ link: "/usr/share/zoneinfo/UTC" });
  });
});

describe("post-build.sh writes nothing through a link out of the tree", () => {
  test.each(["etc", "var/cache", "var/lib", "etc/systemd/system", "usr/share", "etc/shadow", "var/lib/dbus"])("at %s", async (path) => {
    const { dir, untouched } = await canary();
    const { root, board } = await smallRoot(render(await resolve("nitro", { set: ["features=[]"] }), "buildroot"), {});
    await rm(join(root, path), { recursive: true, force: true });
    await mkdir(join(root, path, ".."), { recursive: true });
    await symlink(path === "etc/shadow" ? join(dir, "shadow") : dir, join(root, path));
    const { exitCode, stderr } = await execa("sh", [join(board, "post-build.sh"), root], { reject: false });
    expect([exitCode, stderr]).toEqual([1, expect.stringMatching(/a link leads from .* out of the root tree/)]);
    await untouched();
  });

  test.each(["hostname", "machine-id"])("at etc/%s, which it replaces", async (name) => {
    const { dir, untouched } = await canary();
    const { root, board } = await smallRoot(render(await resolve("nitro", { set: ["features=[]"] }), "buildroot"), {});
    await rm(join(root, "etc", name), { force: true });
    await symlink(join(dir, name), join(root, "etc", name));
    await execa("sh", [join(board, "post-build.sh"), root]);
    await untouched();
    expect(await readFile(join(root, "etc/hostname"), "utf8")).toBe("hal\n");
  });

  test("and a link inside the tree stays", async () => {
    const { root, board } = await smallRoot(render(await resolve("nitro", { set: ["features=[]"] }), "buildroot"), {});
    await rm(join(root, "var/cache"), { recursive: true });
    await symlink("../tmp", join(root, "var/cache")); // Buildroot's skeleton
    await execa("sh", [join(board, "post-build.sh"), root]);
    expect(existsSync(join(root, "tmp"))).toBe(true);
  });
});

describe("hal writes a rendered tree through no link", () => {
  const text = (path: string) => ({ path, content: Buffer.from("new"), mode: 0o644 });
  test.each([
    ["of a directory", [text("a/file")], "a", ""],
    ["of a deeper directory", [text("a/b/file")], "a/b", ""],
    ["of a directory with an old file", [], "a", "a/file\n"],
  ])("%s", async (_, files, path, record) => {
    const { dir, untouched } = await canary();
    const tree = await mkdtemp(join(tmpdir(), "hal-tree-"));
    made.push(tree);
    if (record !== "") await writeFile(join(tree, ".hal-rendered"), record);
    await mkdir(join(tree, path, ".."), { recursive: true });
    await symlink(dir, join(tree, path));
    await expect(writeTree({ files }, tree)).rejects.toMatchObject({ kind: "input", at: { file: join(tree, path) } });
    await untouched();
  });
});

test("hal replaces a record that is a link", async () => {
  const { dir, untouched } = await canary();
  const tree = await mkdtemp(join(tmpdir(), "hal-tree-"));
  made.push(tree);
  await symlink(join(dir, "file"), join(tree, ".hal-rendered"));
  await writeTree({ files: [{ path: "a", content: Buffer.from("new"), mode: 0o644 }] }, tree);
  await untouched();
  expect(await readFile(join(tree, ".hal-rendered"), "utf8")).toBe("a\n");
});

test.each(["../file", "a/../../file", "..", "a/.."])("hal removes nothing at a recorded path that leads out: %s", async (path) => {
  const { dir, untouched } = await canary();
  await mkdir(join(dir, "tree"));
  await writeFile(join(dir, "tree/.hal-rendered"), `${path}\n`);
  await expect(writeTree({ files: [] }, join(dir, "tree"))).rejects.toMatchObject({ kind: "input" });
  await expect(refuseLinks(join(dir, "tree"), path, { last: false })).rejects.toMatchObject({ kind: "input" });
  await rm(join(dir, "tree"), { recursive: true });
  await untouched();
});

test("an artifact that is a link out of its directory is not collected", async () => {
  const dir = await workspace({ "images/rootfs.ext2": "root", "images/rootfs.ext4": "link:rootfs.ext2", secret: "x" });
  await requireFileInside(join(dir, "images/rootfs.ext4"));
  await symlink(join(dir, "secret"), join(dir, "images/bzImage"));
  await mkdir(join(dir, "images/disk.img"));
  for (const name of ["bzImage", "disk.img"])
    await expect(requireFileInside(join(dir, "images", name))).rejects.toMatchObject({
      kind: "check",
      at: { file: join(dir, "images", name) },
    });
});
