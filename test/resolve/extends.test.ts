import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { resolve } from "../../src/resolve/resolve.js";
import { profile, workspace } from "../load/workspace.js";

const child = (name: string, more: string): string => `apiVersion: hal/v1\nkind: Profile\nname: ${name}\n${more}\n`;

/** The profile `p` of a repository. */
async function resolved(files: Readonly<Record<string, string>>, set: readonly string[] = []) {
  return resolve(join(await workspace(files), "p.yaml"), { set });
}

describe("extends", () => {
  const family = {
    "old.yaml": child("old", "layout: hardened\nplatform: none\nusers: [{name: u, uid: 1000}]\nlaunch: {forwards: [{host: 1, guest: 2}]}"),
    "a.yaml": child("a", "extends: ./old.yaml\nlayout: ram\nusers: [{name: a, uid: 1001}]"),
    "b.yaml": child("b", "extends: ./old.yaml\nusers: [{name: b, uid: 1002}]"),
  };

  test("a grandparent of two parents is there once, below both", async () => {
    const { profile, layout } = await resolved({ ...family, "p.yaml": child("p", "extends: [./a.yaml, ./b.yaml]") });
    expect(profile.users.map(({ name }) => name)).toEqual(["u", "a", "b"]);
    expect(profile.launch.forwards).toHaveLength(1);
    expect(layout.name).toBe("ram"); // b says nothing about it: what a says is not undone by what b inherits
  });

  test("a parent that another parent has too", async () => {
    const { profile } = await resolved({ ...family, "p.yaml": child("p", "extends: [./old.yaml, ./a.yaml]") });
    expect(profile.users.map(({ name }) => name)).toEqual(["u", "a"]);
  });

  test("the later parent has the last word, and !replace replaces what all earlier ones have", async () => {
    const files = { ...family, "b.yaml": child("b", "extends: ./old.yaml\nlayout: hardened\nusers: !replace [{name: b, uid: 1002}]") };
    const { profile, layout } = await resolved({ ...files, "p.yaml": child("p", "extends: [./a.yaml, ./b.yaml]") });
    expect(profile.users.map(({ name }) => name)).toEqual(["b"]);
    expect(layout.name).toBe("hardened");
  });
});

test("a feature that the parent has, and leaves out with debian, may be gone", async () => {
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
