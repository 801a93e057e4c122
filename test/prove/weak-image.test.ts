import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { newc } from "../../src/codecs/cpio.js";
import { chooseAccel } from "../../src/launch/run.js";
import { readSubject, type Subject } from "../../src/prove/image.js";
import { withProbe } from "../../src/prove/probe.js";
import { inScratch, prove } from "../../src/prove/prove.js";
import { chooseCases, suffer } from "../../src/prove/run-cases.js";
import { skipEach } from "../skip-each.js";

/** An output directory of `hal build --profile dev`; the proof must fail on it once its early boot is replaced by this. */
const image = process.env.HAL_PROOF_IMAGE;

/** Early boot of somebody who does without hal: no verity, no encryption, modules for everybody, a shell on the console. */
const carelessInit = `#!/bin/sh
PATH=/bin:/sbin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
while read -r module; do insmod "/modules/$module"; done </modules/early
sleep 2
mount -t ext4 /dev/sda1 /sysroot || mount -t ext4 -o ro /dev/sda1 /sysroot
busybox mke2fs /dev/sda3
mount -t ext4 /dev/sda3 /sysroot/rw
busybox mkswap /dev/sda4
busybox swapon /dev/sda4
echo "root::0:0:99999:7:::" >/sysroot/etc/shadow
busybox setsid -c busybox chroot /sysroot /bin/sh -i </dev/ttyS0 >/dev/ttyS0 2>&1 &
mount --move /dev /sysroot/dev
mount --move /proc /sysroot/proc
mount --move /sys /sysroot/sys
exec switch_root /sysroot /sbin/init
`;

async function weaken(subject: Subject, scratch: string): Promise<Subject> {
  const { initrd } = subject.launch;
  if (initrd === undefined) throw new Error("no initrd");
  const path = join(scratch, "initrd");
  const replaced = newc([{ path: "init", mode: 0o100755, content: Buffer.from(carelessInit) }]);
  await writeFile(path, withProbe(await readFile(join(subject.dir, initrd.path)), replaced));
  return { ...subject, launch: { ...subject.launch, initrd: { ...initrd, path } } };
}

describe("a weakened image", { timeout: 900_000 }, () => {
  skipEach(image === undefined ? "HAL_PROOF_IMAGE is not set (the path of a built dev image)" : undefined);

  test("breaks the promises that it breaks", async () => {
    const subject = await readSubject(image ?? "");
    const accel = await chooseAccel("auto", join(image ?? "", "bzImage"));
    const { checks } = await inScratch(subject.dir, async (scratch) => prove(await weaken(subject, scratch), { accel }));
    const broken = checks.filter(({ ok }) => !ok).map(({ name }) => name);
    expect(broken).toEqual(
      expect.arrayContaining([
        "root is verified",
        "root is read-only",
        "write root",
        "/rw is encrypted",
        "/rw is authenticated",
        "/rw: no plaintext on the disk",
        "swap is encrypted",
        "swap: no plaintext on the disk",
        "no shell",
        "no password",
        "console is silent",
        "module loading",
      ]),
    );
  });

  test("does not survive the hostile suite", async () => {
    const subject = await readSubject(image ?? "");
    const accel = await chooseAccel("auto", join(image ?? "", "bzImage"));
    const [flipped] = chooseCases(subject, ["verity-superblock"]);
    if (flipped === undefined) throw new Error("no such case");
    const verdict = await inScratch(subject.dir, async (scratch) => suffer(await weaken(subject, scratch), flipped, { accel }));
    expect(verdict.ok).toBe(false);
    const broken = verdict.checks.filter(({ ok }) => !ok).map(({ name }) => name);
    expect(broken).toEqual(expect.arrayContaining(["nothing of the image runs", "no shell", "one line says why"]));
  });

  test("the image itself keeps every promise", async () => {
    const subject = await readSubject(image ?? "");
    const { checks } = await prove(subject, { accel: await chooseAccel("auto", join(image ?? "", "bzImage")) });
    expect(checks.filter(({ ok }) => !ok)).toEqual([]);
  });
});
