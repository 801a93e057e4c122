import { mkdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { build, emptyDir } from "./harness.js";

const digests = (report: Awaited<ReturnType<typeof build>>) =>
  Object.fromEntries(report.manifest.artifacts.map(({ name, sha256 }) => [name, sha256]));

test("a profile gives the same bytes in every directory, cache, umask, locale, time zone, clock and number of jobs", async () => {
  const here = await emptyDir("same-a");
  const there = await emptyDir("same-b/a longer path");
  const cache = await emptyDir("same-cache");
  const first = await build("dev", ["--out", here]);
  const cold = await build("dev", ["--out", there, "--jobs", "1"], {
    cwd: there,
    env: { HAL_CACHE: cache, TZ: "Asia/Kathmandu", LC_ALL: "POSIX", LANG: "de_DE" },
    prefix: ["sh", "-c", 'umask 077; exec "$@"', "sh"],
  });
  expect(digests(cold)).toEqual(digests(first));
  await rm(there, { recursive: true });
  // An overlayfs cannot hold the changes of another one, so hal copies the root tree.
  const overlay =
    'mkdir "$0.lower" "$0.upper" "$0.work"; cd "$0/.."; name=${0##*/}; mount -t overlay overlay ' +
    '-o "lowerdir=$name.lower,upperdir=$name.upper,workdir=$name.work" "$0"; exec "$@"';
  await mkdir(there);
  const copied = await build("dev", ["--out", there], {
    env: { HAL_CACHE: cache },
    prefix: ["unshare", "--mount", "sh", "-euc", overlay, there],
  });
  expect(digests(copied)).toEqual(digests(first));
  expect(await readFile(join(`${there}.upper`, "dev/build.log"), "utf8")).toContain("cp --archive");
  const later = await build("dev", ["--out", await emptyDir("same-c")], {
    env: { HAL_CACHE: cache },
    prefix: ["faketime", "2031-05-06 07:08:09"],
  });
  expect(digests(later)).toEqual(digests(first));
  for (const name of ["same-a", "same-b", "same-c", "same-cache"]) await rm(join(here, "..", name), { recursive: true, force: true });
});
