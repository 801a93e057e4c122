import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { rootHashOf } from "../../src/codecs/cmdline.js";
import { findTool } from "../../src/lib/tools.js";
import { judgeCommandLine } from "../../src/model/judge-cmdline.js";
import { render } from "../../src/render/render.js";
import { resolve } from "../../src/resolve/resolve.js";

const hash = "0123456789abcdef".repeat(4);
const busybox = await findTool("busybox");
const noBusybox = "this machine has no busybox";

let dir = "";
/** The lines of early boot that read the root hash. They run `cat` and nothing else. */
let reader = "";
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "hal-root-hash-"));
  const { files } = render(await resolve("dev"), "buildroot");
  const init = new TextDecoder().decode(files.find(({ path }) => path === "board/hal/init")?.content);
  reader = /^cmdline=\$\(cat \/proc\/cmdline\)\n(?:.*\n)*?\[ "\$\{#roothash\}" -eq 64 \]$/m.exec(init)?.[0] ?? "";
  expect(reader.split("\n").length).toBeGreaterThan(5);
});
afterAll(() => rm(dir, { recursive: true, force: true }));

/** The root hash that early boot takes from each command line; undefined where it stops. */
async function bootReads(cmdlines: readonly string[]): Promise<(string | undefined)[]> {
  for (const [index, cmdline] of cmdlines.entries()) await writeFile(join(dir, `${index}`), `${cmdline}\n`);
  const script = join(dir, "script");
  const here = reader.replace("/proc/cmdline", '"$1"');
  await writeFile(
    script,
    `read_hash() (\nset -eu\n${here}\necho "$roothash"\n)\nfor file in "$@"; do read_hash "$file"; [ "$?" -eq 0 ] || echo stops; done\n`,
  );
  const { stdout } = await execa(busybox ?? "", ["sh", script, ...cmdlines.map((_, index) => join(dir, `${index}`))], {
    env: { LC_ALL: "C" },
  });
  return stdout.split("\n").map((line) => (line === "stops" ? undefined : line));
}

test("early boot reads the root hash that every other reader finds, or stops", async ({ skip }) => {
  skip(busybox === undefined, noBusybox);
  const cases: [string, string | undefined][] = [
    [`console=null roothash=${hash} quiet`, hash],
    [`roothash=${hash}`, hash],
    [`quiet roothash=${hash}`, hash],
    ["quiet", undefined],
    [`roothash=${hash} systemd.roothash=${hash}`, undefined],
    [`roothash=${hash} roothash=${hash}`, undefined],
    [`systemd.roothash=${hash}`, undefined],
    [`"a roothash=${hash}"`, undefined],
    [`-- roothash=${hash}`, undefined],
    [`quiet\troothash=${hash}`, undefined],
    [`a\nb roothash=${hash}`, undefined],
    [`roothash=${hash.toUpperCase()}`, undefined],
    [`roothash=${hash}0`, undefined],
    ["roothash=$(exec</dev/console;sh)", undefined],
  ];
  expect(await bootReads(cases.map(([cmdline]) => cmdline))).toEqual(cases.map(([, expected]) => expected));
});

test("early boot and the judge agree about mutated command lines", async ({ skip }) => {
  skip(busybox === undefined, noBusybox);
  const piece = fc.constantFrom(
    ...[" ", "\t", '"', "'", "--", " -- ", "=", "roothash=", hash, "0", "G", "systemd.", "quiet", "\u00e0", "\n"],
  );
  const middle = fc.array(piece, { maxLength: 5 }).map((pieces) => pieces.join(""));
  const cmdlines = fc.sample(
    fc.tuple(middle, middle).map(([left, right]) => `${left}roothash=${hash}${right}`),
    1500,
  );
  const found = await bootReads(cmdlines);
  const image = { verity: true, platform: "none", debug: false } as const;
  for (const [index, cmdline] of cmdlines.entries()) {
    if (found[index] !== undefined) expect([cmdline, found[index]]).toEqual([cmdline, rootHashOf(cmdline)]);
    if (judgeCommandLine(cmdline, image).length === 0) expect([cmdline, found[index]]).toEqual([cmdline, hash]);
  }
  expect(found.filter((value) => value !== undefined).length).toBeGreaterThan(10);
});
