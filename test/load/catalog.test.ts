import { join } from "node:path";
import { expect, test } from "vitest";
import { resolve } from "../../src/resolve/resolve.js";
import { profile, workspace } from "./workspace.js";

const layout = (name: string): string => `apiVersion: hal/v1\nkind: Layout\nname: ${name}\ndescription: mine\nroot: {type: ram}\n`;
const feature = (name: string): string => `apiVersion: hal/v1\nkind: Feature\nname: ${name}\ndescription: mine\n`;
const using = (layout: string, features = "[]") => profile(`features: ${features}`, `layout: ${layout}\nplatform: none`);

// The working directory of the tests is hal's repository, not the repository of the profile.
test("a profile in a repository's root finds the layouts and features beside it", async () => {
  const dir = await workspace({ "p.yaml": using("mine", "[f]"), "layouts/mine.yaml": layout("mine"), "features/f.yaml": feature("f") });
  const resolved = await resolve(join(dir, "p.yaml"));
  expect(resolved.layout.description).toBe("mine");
  expect(resolved.features.map(({ name }) => name)).toEqual(["f"]);
});

test("a profile in profiles/ finds the layouts of its repository", async () => {
  const dir = await workspace({ "profiles/p.yaml": using("mine"), "layouts/mine.yaml": layout("mine") });
  expect((await resolve(join(dir, "profiles/p.yaml"))).layout.description).toBe("mine");
});

test("a layout of the repository overrides hal's layout of the same name", async () => {
  const dir = await workspace({ "p.yaml": using("hardened"), "layouts/hardened.yaml": layout("hardened") });
  expect((await resolve(join(dir, "p.yaml"))).layout.description).toBe("mine");
});

test("a folder above the repository is not searched", async () => {
  const dir = await workspace({ "repository/p.yaml": using("hardened"), "layouts/hardened.yaml": layout("hardened") });
  expect((await resolve(join(dir, "repository/p.yaml"))).layout.description).not.toBe("mine");
});
