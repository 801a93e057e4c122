import { chmod, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import { expect, test } from "vitest";
import { render } from "../../src/render/render.js";
import { readOverlay } from "../../src/resolve/overlays.js";
import { resolve } from "../../src/resolve/resolve.js";
import { profile, workspace } from "../load/workspace.js";

const where = { file: "p.yaml", line: 7, column: 12 };

test("files and links in name order, with modes of a git checkout", async () => {
  const dir = await workspace({
    "b/z": "z",
    "b/a": "a",
    "a/tool": "t",
    "a/link": "link:../b/z",
    "c/empty": "dir:",
    dangling: "link:/etc/nowhere",
  });
  await chmod(join(dir, "a/tool"), 0o4711);
  await chmod(join(dir, "b/a"), 0o600);
  expect(readOverlay(dir, where).map(({ path, mode, link, content }) => [path, mode, link, Buffer.from(content).toString()])).toEqual([
    ["a/link", 0o777, "../b/z", ""],
    ["a/tool", 0o755, undefined, "t"],
    ["b/a", 0o644, undefined, "a"],
    ["b/z", 0o644, undefined, "z"],
    ["dangling", 0o777, "/etc/nowhere", ""],
  ]);
});

test("files of version control and of editors are left out", async () => {
  const out = [
    ".git/config",
    ".gitignore",
    "etc/.gitkeep",
    "etc/.git",
    ".hg/hgrc",
    ".svn/x",
    "CVS/Root",
    "etc/a~",
    "etc/.a.swp",
    "etc/.#a",
    "#a#",
  ];
  const dir = await workspace(Object.fromEntries([...out, "etc/gitconfig", "etc/.gitx", "etc/a.conf"].map((path) => [path, "secret"])));
  expect(readOverlay(dir, where).map(({ path }) => path)).toEqual(["etc/.gitx", "etc/a.conf", "etc/gitconfig"]);
});

test.each([
  ["a directory that does not exist", { p: "" }, "nowhere", /does not exist/],
  ["a file", { overlay: "x" }, "overlay", /is not a directory/],
  [
    "a link out of the tree",
    { "overlay/etc/up": "link:../../outside" },
    "overlay",
    /link etc\/up points to \.\.\/\.\.\/outside, out of the tree/,
  ],
  ["a name with a control character", { "overlay/a\u0007b": "x" }, "overlay", /"a\\u0007b" has a control character/],
  ["a name with a line break", { "overlay/x/a\nb": "x" }, "overlay", /"x\/a\\nb" has a control character/],
] as const)("%s is refused at the place that names it", async (_, files, name, message) => {
  const dir = await workspace(files);
  expect(() => readOverlay(join(dir, name), where)).toThrow(
    expect.objectContaining({ kind: "input", at: where, message: expect.stringMatching(message) }),
  );
});

test("what is neither a file, a directory nor a link is refused", async () => {
  const dir = await workspace({ "overlay/etc/file": "x" });
  await execa("mkfifo", [join(dir, "overlay/etc/pipe")]);
  expect(() => readOverlay(join(dir, "overlay"), where)).toThrow(/entry etc\/pipe is neither a file, a directory nor a symbolic link/);
});

test("an overlay that cannot be read is an input error", async () => {
  const dir = await workspace({ file: "x" });
  const refusal = { kind: "input", at: where, message: expect.stringMatching(/cannot be read: ENOTDIR$/) };
  expect(() => readOverlay(join(dir, "file/overlay"), where)).toThrow(expect.objectContaining(refusal));
});

test("a link whose name only begins with dots stays in the tree", async () => {
  const dir = await workspace({ "overlay/link": "link:..data" });
  expect(readOverlay(join(dir, "overlay"), where)[0]?.link).toBe("..data");
});

test("the overlay of a feature is refused in the feature's own file", async () => {
  const feature = "apiVersion: hal/v1\nkind: Feature\nname: f\ndescription: d\noverlays: [nowhere]\n";
  const dir = await workspace({ "f.yaml": feature, "p.yaml": profile("features: [./f.yaml]") });
  await expect(resolve(join(dir, "p.yaml"))).rejects.toMatchObject({ kind: "input", at: { file: join(dir, "f.yaml"), line: 5 } });
});

test("a caller that needs no contents gets none, and the same refusals", async () => {
  const dir = await workspace({ "overlay/file": "x", "bad/file": "x", "bad/up": "link:../.." });
  expect(readOverlay(join(dir, "overlay"), where, false)).toMatchObject([{ path: "file", content: new Uint8Array(), mode: 0o644 }]);
  expect(() => readOverlay(join(dir, "bad"), where, false)).toThrow(/out of the tree/);
});

test("profiles that share an overlay share its bytes, until a file changes", async () => {
  const dir = await workspace({ "overlay/etc/motd": "one" });
  const content = (): Uint8Array | undefined => readOverlay(join(dir, "overlay"), where)[0]?.content;
  const first = content();
  expect(content()).toBe(first);
  await writeFile(join(dir, "overlay/etc/motd"), "two");
  expect(Buffer.from(content() ?? []).toString()).toBe("two");
});

test("rendering reads nothing of the user's: a Resolved renders the same when its files are gone", async () => {
  const files = await workspace({
    "overlay/etc/motd": "hello",
    "a.config": "# why\nCONFIG_A=y\n",
    "unit.service": "[Service]\n",
    "p.yaml": profile(
      "overlays: [overlay]\nkernel: {fragments: [a.config]}\nservices: {units: [{name: a.service, source: unit.service}]}\nfiles: [{path: /etc/x, source: unit.service}]",
    ),
  });
  const resolved = await resolve(join(files, "p.yaml"));
  const before = render(resolved, "buildroot");
  await rm(files, { recursive: true });
  expect(render(resolved, "buildroot")).toEqual(before);
  const fragment = before.files.find(({ path }) => path === "board/hal/kernel/01-a.config");
  expect(new TextDecoder().decode(fragment?.content)).toBe("# why\nCONFIG_A=y\n");
});

test("a file that Node.js cannot read at once is refused at the place that names the overlay", async () => {
  const dir = await workspace({ "data/model": "" });
  await truncate(join(dir, "data/model"), 3 * 2 ** 30);
  for (const read of [true, false])
    expect(() => readOverlay(dir, where, read)).toThrow(
      expect.objectContaining({ kind: "input", at: where, message: expect.stringContaining("overlay file data/model is larger than") }),
    );
});
