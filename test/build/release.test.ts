import { tmpdir } from "node:os";
import { expect, test } from "vitest";
import { planBuild } from "../../src/build/build.js";
import { resolve } from "../../src/resolve/resolve.js";
import { buildOptions } from "./options.js";

const options = buildOptions({ backend: "debian", out: tmpdir(), offline: true, release: true });

test.each([
  ["sev-snp", ["debug=true"], /debug image/],
  ["dev", [], /platform none/],
  ["sev-snp", ["boot=uki"], /no register measures the program that the firmware boots/],
  ["sev", ["boot=uki"], /no register measures the program that the firmware boots/],
  ["sev-snp", [], /leaves out agent, p9/],
])("a release of %s %s is refused", async (profile, set, message) => {
  await expect(planBuild(await resolve(profile, { set }), options)).rejects.toMatchObject({
    kind: "check",
    message: expect.stringMatching(message),
  });
});

test("sev-snp with an SVSM's vTPM may boot a disk", async () => {
  const set = ["boot=uki"];
  const resolved = await resolve("sev-snp-ram", { set });
  expect(resolved.profile.launch.igvm).toBeDefined();
  // The refusal is another one.
  await expect(planBuild(resolved, options)).rejects.toMatchObject({ message: expect.stringMatching(/leaves out/) });
});
