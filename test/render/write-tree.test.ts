import { lstat, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { render } from "../../src/commands/render.js";
import { writeTree } from "../../src/render/write-tree.js";

const text = (path: string, content: string, mode = 0o644) => ({ path, content: Buffer.from(content), mode });
let dir = "";
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "hal-tree-"));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

test("a tree is brought up to date: changed files are written, right ones are not touched, others' files stay", async () => {
  await writeTree({ files: [text("a/same", "1"), text("a/changed", "1"), text("gone", "1")] }, dir);
  await writeFile(join(dir, "a/mine"), "mine");
  const before = await stat(join(dir, "a/same"));
  await writeTree(
    {
      files: [text("a/same", "1"), text("a/changed", "2", 0o755), { path: "link", content: new Uint8Array(), mode: 0o777, link: "a/same" }],
    },
    dir,
  );
  expect((await stat(join(dir, "a/same"))).mtimeMs).toBe(before.mtimeMs);
  expect(await readFile(join(dir, "a/changed"), "utf8")).toBe("2");
  expect((await stat(join(dir, "a/changed"))).mode & 0o777).toBe(0o755);
  expect((await lstat(join(dir, "link"))).isSymbolicLink()).toBe(true);
  expect((await readdir(dir, { recursive: true })).sort()).toEqual([".hal-rendered", "a", "a/changed", "a/mine", "a/same", "link"]);
});

test("hal render leaves a directory that is not its own alone", async () => {
  const own = await mkdtemp(join(tmpdir(), "hal-tree-"));
  await writeFile(join(own, "external.desc"), "name: MINE\n");
  await expect(render("dev", { output: own })).rejects.toThrow(/hal did not render it/);
  expect(await readdir(own)).toEqual(["external.desc"]);
  await rm(own, { recursive: true });
});

test.each(["a", "a/b", ".hal-rendered"])("a link at %s of a tree is not followed", async (link) => {
  const [tree, outside] = [await mkdtemp(join(tmpdir(), "hal-tree-")), await mkdtemp(join(tmpdir(), "hal-tree-"))];
  const isRecord = link === ".hal-rendered";
  const victim = join(outside, isRecord ? "gone" : "file");
  await writeFile(victim, "a/b/file\n");
  await mkdir(join(tree, link, ".."), { recursive: true });
  await symlink(isRecord ? victim : outside, join(tree, link));
  const files = [text("a/b/file", "1"), text("a/file", "1")];
  if (isRecord) await writeTree({ files }, tree);
  else await expect(writeTree({ files }, tree)).rejects.toMatchObject({ kind: "input", at: { file: join(tree, link) } });
  expect(await readdir(outside)).toEqual([isRecord ? "gone" : "file"]);
  expect(await readFile(victim, "utf8")).toBe("a/b/file\n");
  for (const made of [tree, outside]) await rm(made, { recursive: true });
});

test("a directory that cannot exist is refused at once", async () => {
  await expect(writeTree({ files: [] }, "/proc/hal-tree/a")).rejects.toMatchObject({ kind: "input", at: { file: "/proc/hal-tree" } });
});
