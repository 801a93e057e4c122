import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, expect, test } from "vitest";
import { program } from "../../src/cli.js";
import { type ErrorKind, exitCodes, HalError } from "../../src/lib/errors.js";
import { isRoot } from "../../src/lib/namespace.js";
import { halRoot } from "../../src/lib/paths.js";
import { findTool } from "../../src/lib/tools.js";
import { profile, workspace } from "../load/workspace.js";

const feature = (name: string, backend: string): string =>
  `apiVersion: hal/v1\nkind: Feature\nname: ${name}\ndescription: d\n${backend}: {unavailable: `;
const files = {
  "p.yaml": profile(),
  "overridden/p.yaml": profile("buildroot: {overrides: {zlib: no-such-directory}}"),
  "featured/p.yaml": profile("features: [./f.yaml, ./g.yaml]"),
  "featured/f.yaml": `${feature("f", "buildroot")}{"2026.02": it has none}}\n`,
  "featured/g.yaml": `${feature("g", "debian")}nobody packages it}\n`,
  "buildroot/Makefile": "export BR2_VERSION := 2026.02.3\n",
  "old-buildroot/Makefile": "export BR2_VERSION := 2025.02.1\n",
  "no-buildroot": "dir:",
  "taken/dev/letter": "mine\n",
  "linked/dev": "link:../empty",
  "empty/": "dir:",
  "a-file": "mine\n",
};

let dir = "";
const before = process.env.HAL_CACHE;
beforeAll(async () => {
  dir = await workspace(files);
  process.env.HAL_CACHE = join(dir, "cache");
  const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:secp384r1", "-nodes", "-subj", "/CN=hal", "-days", "2"];
  execFileSync("openssl", ["req", "-x509", ...curve, "-keyout", "key.pem", "-out", "cert.pem"], { cwd: dir, stdio: "ignore" });
  mkdirSync(join(dir, "out"));
});
afterAll(() => {
  if (before === undefined) delete process.env.HAL_CACHE;
  else process.env.HAL_CACHE = before;
});

/** The error of `hal build`; `@` in a word stands for the directory of the test's files. */
async function refusal(words: readonly string[]): Promise<HalError> {
  const args = ["build", "-o", "@/out", ...words].map((word) => word.replace("@", dir));
  const hal = program(() => new AbortController().signal);
  return hal.parseAsync(["node", "hal", ...args]).then(
    () => Promise.reject(new Error("no refusal")),
    (error: unknown) => (error instanceof HalError ? error : Promise.reject(error)),
  );
}

function nothingWritten(): void {
  expect(readdirSync(join(dir, "out"))).toEqual([]);
  expect(existsSync(join(dir, "cache"))).toBe(false);
  expect(readdirSync(join(dir, "taken"))).toEqual(["dev"]);
  expect(readdirSync(join(dir, "taken/dev"))).toEqual(["letter"]);
}

const debian = ["-b", "debian"] as const;

test.each<readonly [what: string, words: readonly string[], kind: ErrorKind, message: RegExp]>([
  ["a release with debug", ["-p", "sev-snp", ...debian, "--release", "--set", "debug=true"], "check", /debug image cannot be released/],
  ["a release for platform none", ["-p", "dev", ...debian, "--release"], "check", /platform none cannot be released/],
  [
    "a release of a UKI on sev",
    ["-p", "sev", ...debian, "--release", "--set", "boot=uki"],
    "check",
    /on platform sev no register measures/,
  ],
  [
    "a release of a UKI on sev-snp without an IGVM file",
    ["-p", "sev-snp", ...debian, "--release", "--set", "boot=uki"],
    "check",
    /on platform sev-snp no register measures/,
  ],
  ["a release with features left out", ["-p", "sev-snp", ...debian, "--release"], "check", /leaves out agent, p9/],
  ["a UKI with the buildroot backend", ["-p", "tdx", "--set", "boot=uki"], "input", /cannot make a unified kernel image/],
  ["an override that does not exist", ["-p", "@/overridden/p.yaml"], "input", /no-such-directory does not exist/],
  ["a Buildroot tree of another version", ["-p", "@/p.yaml", "--buildroot", "@/old-buildroot"], "input", /is Buildroot 2025\.02\.1, and/],
  ["a directory that is no Buildroot tree", ["-p", "@/p.yaml", "--buildroot", "@/no-buildroot"], "input", /is not a Buildroot tree/],
  [
    "a feature that this Buildroot does not have",
    ["-p", "@/featured/p.yaml", "--buildroot", "@/buildroot"],
    "input",
    /Buildroot 2026\.02\.3 cannot provide feature 'f': it has none/,
  ],
  [
    "a feature that Debian does not have",
    ["-p", "@/featured/p.yaml", ...debian],
    "input",
    /cannot provide feature 'g': nobody packages it/,
  ],
  ["--eif-key without a certificate", ["-p", "nitro", ...debian, "--eif-key", "@/key.pem"], "input", /go together/],
  [
    "--eif-key without a nitro profile",
    ["-p", "dev", ...debian, "--eif-key", "@/key.pem", "--eif-certificate", "@/cert.pem"],
    "input",
    /no profile given is for platform nitro/,
  ],
  ["--buildroot with the debian backend", ["-p", "dev", ...debian, "--buildroot", "@/buildroot"], "input", /^--buildroot is/],
  ["--until with the debian backend", ["-p", "dev", ...debian, "--until", "kernel"], "input", /^--until is/],
  ["--shell with the debian backend", ["-p", "dev", ...debian, "--shell"], "input", /^--shell is/],
  ["--allow-version with the debian backend", ["-p", "dev", ...debian, "--allow-version"], "input", /^--allow-version is/],
  ["an unknown key", ["-p", "dev", ...debian, "--set", "nosuch=1"], "input", /nosuch/],
  ["--offline without a recorded package set", ["-p", "dev", ...debian, "--offline"], "command", /no package set is recorded for dev/],
  ["an image directory that is a link", ["-p", "dev", ...debian, "-o", "@/linked"], "input", /is a symbolic link/],
  [
    "a directory with other files in the place of the image",
    ["-p", "dev", ...debian, "-o", "@/taken"],
    "input",
    /files that hal did not write/,
  ],
  ["--out below a file", ["-p", "dev", ...debian, "-o", "@/a-file/out"], "input", /a-file is not a directory/],
  ["--out in /proc", ["-p", "dev", ...debian, "-o", "/proc/out"], "input", /no directory can be created in \/proc/],
  ["--out in /sys", ["-p", "dev", ...debian, "-o", "/sys/a/b"], "input", /no directory can be created in \/sys/],
  ["the second of two profiles", ["-p", "dev", "-p", "@/overridden/p.yaml"], "input", /no-such-directory does not exist/],
])("%s is refused by hal build and by its dry run alike, and nothing is written", async (_what, words, kind, message) => {
  const [planned, built] = [await refusal([...words, "--dry-run"]), await refusal(words)];
  const shown = ({ kind, message, at, remedy }: HalError) => ({ exitCode: exitCodes[kind], message, at, remedy });
  expect(shown(built)).toMatchObject({ exitCode: exitCodes[kind], message: expect.stringMatching(message) });
  expect(shown(planned)).toEqual(shown(built));
  nothingWritten();
});

const words = ["--import", createRequire(import.meta.url).resolve("tsx"), join(halRoot, "src/main.ts")];
/** Hides one program of this machine from hal: /dev/null is mounted over it. */
const without = [
  "unshare",
  ...(isRoot ? [] : ["--map-root-user"]),
  "--mount",
  "sh",
  "-euc",
  'mount --bind /dev/null "$1"; shift; exec "$@"',
  "sh",
];
const mmdebstrap = await findTool("mmdebstrap");
const [unshare = "", ...masked] = [...without, mmdebstrap ?? "", process.execPath, ...words];
const { exitCode: maskable } = await execa(unshare, [...masked, "--version"], { reject: false });

test("a missing host tool is refused by hal build and by its dry run alike, and nothing is written", async ({ skip }) => {
  skip(maskable !== 0, "this machine permits no mounts, or has no mmdebstrap");
  const hal = (...more: readonly string[]) =>
    execa(unshare, [...masked, "build", "-p", "dev", ...debian, "-o", join(dir, "out"), ...more], { reject: false, stdin: "ignore" });
  const [planned, built] = [await hal("--dry-run"), await hal()];
  expect(built).toMatchObject({
    exitCode: exitCodes.tool,
    stdout: "",
    stderr: expect.stringMatching(/^the host tool 'mmdebstrap' is missing/),
  });
  expect([planned.exitCode, planned.stdout, planned.stderr]).toEqual([built.exitCode, built.stdout, built.stderr]);
  nothingWritten();
});
