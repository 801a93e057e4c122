import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import type { BuildOptions } from "../../src/backends/backend.js";
import { buildroot } from "../../src/backends/buildroot/index.js";
import { fingerprint } from "../../src/build/fingerprint.js";
import { render } from "../../src/render/render.js";
import { resolve } from "../../src/resolve/resolve.js";
import { profile, workspace } from "../load/workspace.js";
import { buildOptions } from "./options.js";

const files = {
  "p.yaml": profile("launch: {firmware: {path: code.fd, vars: vars.fd}}\noverlays: [overlay]"),
  "code.fd": "code",
  "vars.fd": "variables",
  "overlay/etc/motd": "hello",
  "busybox/main.c": "main",
  "zlib/main.c": "main",
  "buildroot/Makefile": "export BR2_VERSION := 2026.02.3\n",
};
let dir = "";
beforeAll(async () => {
  dir = await workspace(files);
});

/** The fingerprint of the profile `p`. */
async function digest(set: readonly string[] = [], more: Partial<BuildOptions> = {}, home = dir): Promise<string> {
  const options = buildOptions({ backend: "buildroot", out: "out", buildroot: { tree: join(home, "buildroot") }, ...more });
  const resolved = await resolve(join(home, "p.yaml"), { set });
  const request = { resolved, rendered: render(resolved, options.backend), options };
  const inputs = await (await buildroot.plan(request)).inputs();
  return inputs === undefined ? "" : (await fingerprint(request, inputs)).digest;
}

test.each(["code.fd", "vars.fd", "overlay/etc/motd", "busybox/main.c", "zlib/main.c"])("another %s makes another image", async (file) => {
  await writeFile(join(dir, "local.mk"), `ZLIB_OVERRIDE_SRCDIR := ${join(dir, "zlib")}\n`);
  const set = [`buildroot.overrides.busybox=${join(dir, "busybox")}`, `buildroot.localMk=${join(dir, "local.mk")}`];
  const before = await digest(set);
  expect(await digest(set)).toBe(before);
  await writeFile(join(dir, file), "another one");
  expect(await digest(set)).not.toBe(before);
});

test.each([
  "hostname=other",
  "sourceDateEpoch=1767225601",
  "launch.memory=2G",
  "kernel.cmdline=[panic=1]",
  "layoutOptions.rwSize=512M",
  "platform=sev",
])("--set %s makes another image", async (setting) => {
  expect(await digest([setting])).not.toBe(await digest());
});

test("each signer of the enclave image makes another image", async () => {
  const signed = await Promise.all(["a", "b"].map((key) => digest([], { eifSigner: { key, certificate: "certificate" } })));
  expect(new Set([...signed, await digest()]).size).toBe(3);
});

test("the same files in another directory make the same image", async () => {
  const [here, there] = [await workspace(files), await workspace(files)];
  expect(await digest([], {}, here)).toBe(await digest([], {}, there));
});

test("the options of a run do not change the image", async () => {
  const before = await digest();
  expect(await digest([], { out: "elsewhere", jobs: 7, offline: false, release: true, verbose: true })).toBe(before);
});
