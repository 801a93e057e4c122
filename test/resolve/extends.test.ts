import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { resolve } from "../../src/resolve/resolve.js";
import { profile, workspace } from "../load/workspace.js";

const child = (name: string, more: string): string => `apiVersion: hal/v1\nkind: Profile\nname: ${name}\n${more}\n`;

/** Resolves the profile `p` of a repository. */
async function resolved(files: Readonly<Record<string, string>>, set: readonly string[] = []) {
  return resolve(join(await workspace(files), "p.yaml"), { set });
}

describe("extends", () => {
  const family = {
    "old.yaml": child("old", "layout: hardened\nplatform: none\nusers: [{name: u, uid: 1000}]\nlaunch: {forwards: [{host: 1, guest: 2}]}"),
    "a.yaml": child("a", "extends: ./old.yaml\nlayout: ram\nusers: [{name: a, uid: 1001}]"),
    "b.yaml": child("b", "extends: ./old.yaml\nusers: [{name: b, uid: 1002}]"),
  };

  test("merges a common ancestor of two parents once, before both", async () => {
    const { profile, layout } = await resolved({ ...family, "p.yaml": child("p", "extends: [./a.yaml, ./b.yaml]") });
    expect(profile.users.map(({ name }) => name)).toEqual(["u", "a", "b"]);
    expect(profile.launch.forwards).toHaveLength(1);
    expect(layout.name).toBe("ram"); // b has no layout of its own, so the layout of a wins over the one that b inherits.
  });

  test("merges a parent once if another parent extends it too", async () => {
    const { profile } = await resolved({ ...family, "p.yaml": child("p", "extends: [./old.yaml, ./a.yaml]") });
    expect(profile.users.map(({ name }) => name)).toEqual(["u", "a"]);
  });

  test("the later parent wins, and !replace replaces the lists of all earlier ones", async () => {
    const files = { ...family, "b.yaml": child("b", "extends: ./old.yaml\nlayout: hardened\nusers: !replace [{name: b, uid: 1002}]") };
    const { profile, layout } = await resolved({ ...files, "p.yaml": child("p", "extends: [./a.yaml, ./b.yaml]") });
    expect(profile.users.map(({ name }) => name)).toEqual(["b"]);
    expect(layout.name).toBe("hardened");
  });
});

describe("many ancestors", () => {
  const levels = Array.from({ length: 26 }, (_, level) => level);

  test("through links, one file is one parent", { timeout: 20_000 }, async () => {
    const files = levels.flatMap((level) => [
      [`d${level}/p.yaml`, child("p", level === 25 ? "layout: ram\nplatform: none" : "extends: [x/p.yaml, y/p.yaml]")],
      ...(level === 25 ? [] : ["x", "y"].map((link) => [`d${level}/${link}`, `link:../d${level + 1}`])),
    ]) as [string, string][];
    const dir = await workspace(Object.fromEntries(files));
    expect((await resolve(join(dir, "d0/p.yaml"), { allowOutside: true })).layout.name).toBe("ram");
  });

  test("a circle through links ends", async () => {
    const loop = { x: "link:.", "p.yaml": child("p", "extends: x/x/x/p.yaml") };
    await expect(resolved(loop)).rejects.toMatchObject({ kind: "input", message: "profiles extend each other in a circle: p → p" });
  });

  test("more than 64 are refused", async () => {
    const files = Array.from(
      { length: 70 },
      (_, index) => [`a${index}.yaml`, child(`a${index}`, `extends: ./a${index + 1}.yaml`)] as const,
    );
    await expect(resolved({ ...Object.fromEntries(files), "p.yaml": child("p", "extends: ./a0.yaml") })).rejects.toMatchObject({
      kind: "input",
      message: expect.stringMatching(/more than 64 ancestors/),
      at: expect.objectContaining({ line: 4, file: expect.stringMatching(/a63\.yaml$/) }),
    });
  });
});

test("a profile can remove a feature that its parent omits with debian", async () => {
  const text = child("p", "extends: sev-snp\nfeatures: !replace [docker]");
  const { debianOmitted, features } = await resolved({ "p.yaml": text });
  expect(features.map(({ name }) => name)).toEqual(["docker"]);
  expect(debianOmitted).toEqual([]);
});

describe("--set", () => {
  test.each([
    ["description=Fast, debug: true", { description: "Fast, debug: true", debug: false }],
    ["description=a: b", { description: "a: b" }],
    ["description=a # b", { description: "a # b" }],
    ["description={a}", { description: "{a}" }],
    ["description=", { description: "" }],
    ["description=true", { description: "true" }],
    ["description=2026.10", { description: "2026.10" }],
    ["debug=true", { debug: true }],
    ["overlays=[]", { overlays: [] }],
    ["kernel.cmdline=['a=b@c', 'quiet']", { kernel: { cmdline: ["a=b@c", "quiet"] } }],
    ["launch={cpus: 3, memory: 1G}", { launch: { cpus: 3, memory: "1G" } }],
  ])("%s", async (setting, expected) => {
    expect((await resolved({ "p.yaml": profile() }, [setting])).profile).toMatchObject(expected);
  });
});
