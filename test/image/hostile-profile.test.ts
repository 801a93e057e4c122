import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { runCommand } from "../../src/lib/tools.js";
import { emptyDir, hal, succeed } from "./harness.js";

/** Leaves the chroot that it runs in, and then makes a file of the host. */
const ESCAPE = `
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
int main(void) {
  close(open("/ran", O_WRONLY | O_CREAT, 0644));
  mkdir("/tmp/.x", 0700);
  int directory = open("/", O_RDONLY | O_DIRECTORY);
  if (chroot("/tmp/.x")) return 0;
  fchdir(directory);
  for (int i = 0; i < 64; i++) chdir("..");
  chroot(".");
  close(open(CANARY "/reached", O_WRONLY | O_CREAT, 0644));
  return 0;
}
`;

/** Programs that a build could run from the root tree. */
const programs = {
  "usr/bin": "cat chmod chown cp cpio dash depmod find install ldconfig ln mkdir rm sed sh systemctl tar touch".split(" "),
  "usr/sbin": "chroot depmod ldconfig mke2fs useradd".split(" "),
};

let dir: string;
const canary = (): string => join(dir, "canary");
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "hal-hostile-"));
  await mkdir(canary());
  await writeFile(join(canary(), "file"), "alive");
});
afterAll(() => rm(dir, { recursive: true, force: true }));

/** A profile in a directory of its own. */
async function theirs(name: string, more: string): Promise<string> {
  await mkdir(join(dir, name), { recursive: true });
  const file = join(dir, name, "theirs.yaml");
  await writeFile(file, `apiVersion: hal/v1\nkind: Profile\nname: theirs\nextends: dev\n${more}\n`);
  return file;
}

async function untouched(): Promise<void> {
  expect(await readdir(canary())).toEqual(["file"]);
  expect(await readFile(join(canary(), "file"), "utf8")).toBe("alive");
}

test("programs of an overlay do not run during the build, and reach nothing", async () => {
  const file = await theirs(
    "programs",
    `overlays: [overlay]\nusers: [{name: agent, uid: 990, home: /home/agent}]
files: [{path: /etc/agent.key, content: x, mode: "0600", owner: agent, group: agent}]`,
  );
  const program = join(dir, "escape");
  await writeFile(`${program}.c`, ESCAPE);
  await runCommand({ tool: "gcc", args: ["-static", `-DCANARY="${canary()}"`, "-o", program, `${program}.c`] });
  for (const [folder, names] of Object.entries(programs)) {
    await mkdir(join(dir, "programs/overlay", folder), { recursive: true });
    for (const name of names) await copyFile(program, join(dir, "programs/overlay", folder, name));
  }
  const out = await emptyDir("hostile");
  await succeed(["build", "--profile", file, "--backend", "debian", "--out", out]);
  await untouched();
  const { stdout } = await runCommand({ tool: "debugfs", args: ["-R", "ls -l /", join(out, "theirs/rootfs.ext4")] });
  expect(stdout).toMatch(/ etc$/m);
  expect(stdout).not.toMatch(/ ran$/m);
  await rm(out, { recursive: true });
});

test.each(["etc/hostname", "etc/passwd", "var/cache", "usr/lib/modules"])("a link of an overlay at %s ends the build", async (path) => {
  const file = await theirs("links", "overlays: [overlay]");
  const link = join(dir, "links/overlay", path);
  await rm(join(dir, "links/overlay"), { recursive: true, force: true });
  await mkdir(join(link, ".."), { recursive: true });
  await symlink(path.startsWith("etc") ? join(canary(), "file") : canary(), link);
  for (const command of [
    ["check", file],
    ["build", "--profile", file, "--out", join(dir, "out")],
  ]) {
    const { exitCode, stderr } = await hal([...command, "--backend", "debian"]);
    expect([exitCode, stderr]).toEqual([2, expect.stringContaining(`${link}: /${path} is a link to ${canary()}`)]);
  }
  await untouched();
});

test.each(["files: [{path: /x, source: /etc/shadow}]", "overlays: [../canary]", "kernel: {fragments: [../canary/file]}"])(
  "a file of the host ends the build: %s",
  async (more) => {
    const file = await theirs("sources", more);
    for (const command of [
      ["check", file],
      ["build", "--profile", file, "--out", join(dir, "out")],
    ]) {
      const { exitCode, stderr } = await hal([...command, "--backend", "debian"]);
      expect([exitCode, stderr]).toEqual([2, expect.stringMatching(/theirs\.yaml:5:.*is outside of/)]);
    }
  },
);
