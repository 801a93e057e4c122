import { once } from "node:events";
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { halRoot } from "../../src/paths.js";
import { stage } from "../../src/publish.js";

let dir = "";
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "hal-lock-"));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

const ROUNDS = 120;
const PACE = 40;
const dead = JSON.stringify({ pid: 2 ** 22 + 1, started: "1" });

describe("the lock of an output", () => {
  test("of several builds that find a dead one's lock, one gets it", async () => {
    await mkdir(join(dir, ".hal"));
    for (let round = 0; round < ROUNDS; round++) await writeFile(join(dir, ".hal", `p${round}.lock`), dead);
    const start = Date.now() + 4000;
    const words = ["--import", createRequire(import.meta.url).resolve("tsx"), join(halRoot, "test/publish/contender.ts")];
    const contenders = Array.from({ length: 4 }, () => execa(process.execPath, [...words, dir, `${ROUNDS}`, `${start}`, `${PACE}`]));
    const told = await Promise.all(contenders.map(async ({ stdout }) => String(await once(stdout, "data"))));
    for (const { stdin } of contenders) stdin.end();
    await Promise.all(contenders);
    const won = told.flatMap((line) => JSON.parse(line) as number[]).sort((a, b) => a - b);
    expect(won).toEqual(Array.from({ length: ROUNDS }, (_, round) => round));
  });

  test("is told by who holds it, and given back", async () => {
    const out = join(dir, "out");
    const first = await stage(out, "p");
    await expect(stage(out, "p")).rejects.toMatchObject({ kind: "command", message: expect.stringContaining(`process ${process.pid}`) });
    await first.release();
    await (await stage(out, "p")).release();
    expect((await readdir(join(out, ".hal"))).filter((name) => name.includes("lock"))).toEqual([]);
  });

  test("that is damaged, or whose process id is another's by now, holds nobody up", async () => {
    for (const text of ["", "{", JSON.stringify({ pid: process.pid, started: "1" })]) {
      const out = await mkdtemp(join(dir, "stale-"));
      await mkdir(join(out, ".hal"));
      await writeFile(join(out, ".hal/p.lock"), text);
      await writeFile(join(out, ".hal/p.lock.turn"), dead);
      await (await stage(out, "p")).release();
      expect((await readdir(join(out, ".hal"))).filter((name) => name.includes("lock"))).toEqual([]);
    }
  });
});
