import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { program } from "../../src/cli.js";
import { profile, workspace } from "../load/workspace.js";

/** Runs hal in this process; returns what it prints. */
async function hal(...args: readonly string[]): Promise<string> {
  const stdout = vi.spyOn(process.stdout, "write").mockReturnValue(true);
  try {
    await program(() => new AbortController().signal).parseAsync(["node", "hal", ...args]);
    return stdout.mock.calls.map(([text]) => String(text)).join("");
  } finally {
    stdout.mockRestore();
  }
}

const uki = ["--set", "boot=uki"] as const;
const refusal = { kind: "input", message: "the buildroot backend cannot make a unified kernel image" };

test("a profile is checked against the backend that builds it", async () => {
  await expect(hal("check", "tdx", ...uki)).rejects.toMatchObject(refusal);
  expect(await hal("check", "tdx", ...uki, "--backend", "debian")).toMatch(/^ok {2}tdx /);
});

test("check refuses what the backend cannot build", async () => {
  const feature = "apiVersion: hal/v1\nkind: Feature\nname: f\ndescription: d\ndebian: {unavailable: nobody packages it}\n";
  const overrides = "buildroot: {overrides: {zlib: no-such-directory}}";
  const dir = await workspace({ "f.yaml": feature, "p.yaml": profile(`features: [./f.yaml]\n${overrides}`) });
  await expect(hal("check", join(dir, "p.yaml"))).rejects.toMatchObject({
    message: expect.stringMatching(/no-such-directory does not exist/),
  });
  await expect(hal("check", join(dir, "p.yaml"), "--backend", "debian")).rejects.toMatchObject({
    message: expect.stringMatching(/cannot provide feature 'f'/),
  });
});

test("check with a Buildroot tree is for the buildroot backend", async () => {
  await expect(hal("check", "dev", "--backend", "debian", "--buildroot", ".")).rejects.toMatchObject({
    message: expect.stringMatching(/^--buildroot is/),
  });
});

test("render refuses a profile that Buildroot cannot build, and writes nothing", async () => {
  const tree = join(await workspace({}), "tree");
  await expect(hal("render", "tdx", ...uki, "-o", tree)).rejects.toMatchObject(refusal);
  expect(existsSync(tree)).toBe(false);
});
