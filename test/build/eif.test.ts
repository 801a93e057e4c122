import { execFileSync } from "node:child_process";
import { existsSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterAll, describe, expect, test } from "vitest";
import { compress, enclaveParts, readSigner } from "../../src/build/eif.js";
import { type Member, newc } from "../../src/codecs/cpio.js";

const dir = mkdtempSync(join(tmpdir(), "hal-eif-parts-"));
afterAll(() => rmSync(dir, { recursive: true }));

const directory = (path: string): Member => ({ path, mode: 0o040755 });
const file = (path: string): Member => ({ path, mode: 0o100644, content: Buffer.from(path) });
const link = (path: string, to: string): Member => ({ path, mode: 0o120777, content: Buffer.from(to) });

/** Unpacks as the kernel does: it creates no directory that is missing in the archives (cpio -i without -d). */
function unpack(archives: readonly Uint8Array[]): string[] {
  const target = mkdtempSync(join(dir, "root-"));
  for (const archive of archives)
    execFileSync("cpio", ["-i", "--quiet", "-u"], { cwd: target, input: archive, stdio: ["pipe", "ignore", "pipe"] });
  const list = (path: string): string[] =>
    readdirSync(join(target, path)).flatMap((entry) => {
      const here = join(path, entry);
      return lstatSync(join(target, here)).isDirectory() ? [here, ...list(here)] : [here];
    });
  return list("").sort();
}

const modules = (lib: string) => [
  directory(`${lib}/modules`),
  directory(`${lib}/modules/6.12`),
  file(`${lib}/modules/6.12/nsm.ko`),
  file(`${lib}/libc.so.6`),
];

describe("the backend's gzip", () => {
  const host = (script: string): { hostDir: string; work: string } => {
    const top = mkdtempSync(join(dir, "gzip-"));
    for (const name of ["host/bin", "work"]) mkdirSync(join(top, name), { recursive: true });
    writeFileSync(join(top, "host/bin/gzip"), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    return { hostDir: join(top, "host"), work: join(top, "work") };
  };

  test("compresses, and reaches nothing of the machine", async () => {
    const { hostDir, work } = host(`echo reached >${join(dir, "reached")}; echo reached >$(dirname "$0")/reached; exec /usr/bin/gzip "$@"`);
    const bytes = await compress(join(work, "part"), Buffer.from("text"), hostDir);
    expect(gunzipSync(bytes).toString()).toBe("text");
    expect([join(dir, "reached"), join(hostDir, "bin/reached")].filter((path) => existsSync(path))).toEqual([]);
  });

  test("cannot put a file of the machine into the enclave", async () => {
    writeFileSync(join(dir, "secret"), "secret");
    const { hostDir, work } = host(`ln -s ${join(dir, "secret")} "$3.gz"`);
    await expect(compress(join(work, "part"), Buffer.from("text"), hostDir)).rejects.toMatchObject({ kind: "check" });
  });
});

describe("the two ramdisks of an enclave", () => {
  test.each([
    ["merged /usr", [directory("usr"), link("lib", "usr/lib"), directory("usr/lib"), ...modules("usr/lib")]],
    ["a /lib of its own", [directory("lib"), ...modules("lib"), directory("usr"), directory("usr/bin"), file("usr/bin/python3")]],
  ])("unpack to the whole root: %s", (_name, more) => {
    const root = newc([directory("."), file("init"), directory("etc"), file("etc/passwd"), directory("dev"), ...more]);
    const parts = enclaveParts(root);
    expect(unpack(parts)).toEqual(unpack([root]));
    const boot = unpack(parts.slice(0, 1));
    expect(boot).toContain("init");
    expect(boot.find((path) => path.endsWith("nsm.ko"))).toBeDefined();
    expect(boot.some((path) => path.startsWith("etc") || path.endsWith("libc.so.6"))).toBe(false);
  });
});

test("a file with names in both parts of an enclave is refused: the second part would contain it without bytes", () => {
  const root = newc([file("init"), directory("etc"), file("etc/shadow")]);
  for (const name of ["init", "etc/shadow"]) {
    const header = root.lastIndexOf("070701", root.indexOf(`${name}\0`));
    root.write("00000007", header + 6); // inode
    root.write("00000002", header + 6 + 4 * 8); // number of links
  }
  expect(() => enclaveParts(root)).toThrow(
    expect.objectContaining({ kind: "input", message: expect.stringMatching(/etc\/shadow is a hard link/) }),
  );
});

describe("the signer of an enclave", () => {
  const made = (days: string) => {
    const at = (name: string) => join(dir, `${days}-${name}`);
    const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:secp384r1", "-nodes"];
    execFileSync("openssl", ["req", "-x509", ...curve, "-keyout", at("key"), "-out", at("cert"), "-subj", "/CN=hal", "-days", days], {
      stdio: "ignore",
    });
    return at;
  };

  // aws-nitro-enclaves-image-format, PcrSignatureChecker: nitro-cli starts no enclave outside its certificate's validity.
  test("gets a warning when nitro-cli would refuse the certificate on the day of the build", async () => {
    const at = made("2");
    const warningsOn = async (now: Date) => {
      const warnings: string[] = [];
      await readSigner(at("key"), at("cert"), { now, warn: (text) => warnings.push(text) });
      return warnings;
    };
    const day = 24 * 3600 * 1000;
    expect(await warningsOn(new Date())).toEqual([]);
    expect(await warningsOn(new Date(Date.now() + 3 * day))).toEqual([expect.stringMatching(/cert: is valid .* nitro-cli refuses/)]);
    expect(await warningsOn(new Date(Date.now() - day))).toHaveLength(1);
  });

  test("is refused with the name of the unreadable file", async () => {
    const at = made("1");
    writeFileSync(at("garbage"), "garbage");
    await expect(readSigner(at("garbage"), at("cert"))).rejects.toMatchObject({ kind: "input", at: { file: at("garbage") } });
    await expect(readSigner(at("key"), at("garbage"))).rejects.toMatchObject({ kind: "input", at: { file: at("garbage") } });
    expect(readFileSync(at("cert"), "utf8")).toContain("BEGIN CERTIFICATE");
  });
});
