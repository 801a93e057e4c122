import { readdir, rm } from "node:fs/promises";
import { expect, test } from "vitest";
import { emptyDir, succeed } from "./harness.js";

test("a dry run prints the steps that the build runs, writes nothing, and prints none once the image is up to date", async () => {
  const dir = await emptyDir("planned");
  const args = ["build", "--profile", "dev", "--backend", "debian", "--out", dir];
  const planned = async () => JSON.parse((await succeed([...args, "--dry-run", "--json"])).stdout) as object[];
  const [before] = await planned();
  expect(await readdir(dir)).toEqual([]);
  const { stderr } = await succeed(args);
  const titles = [...stderr.matchAll(/^❯ (.*)$/gm)].map(([, title]) => title);
  expect(before).toEqual({ profile: "dev", backend: "debian", why: "build with debian", steps: titles });
  expect(titles.length).toBeGreaterThan(5);
  expect(await planned()).toEqual([{ profile: "dev", backend: "debian", why: "up to date", steps: [] }]);
  await rm(dir, { recursive: true, force: true });
});
