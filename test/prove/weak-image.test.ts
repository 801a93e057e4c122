import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { newc } from "../../src/codecs/cpio.js";
import { chooseAccel } from "../../src/launch/host.js";
import { withScratchDir } from "../../src/prove/boot-config.js";
import { type ImageUnderTest, readImage } from "../../src/prove/image.js";
import { appendArchive } from "../../src/prove/probe.js";
import { prove } from "../../src/prove/prove.js";
import { chooseCases, runCase } from "../../src/prove/run-cases.js";
import { skipEach } from "../skip-each.js";

/** An image directory of `hal build --profile dev`. `hal test` must fail on it after its early boot is replaced by `WEAK_INIT`. */
const dir = process.env.HAL_PROOF_IMAGE;

/** An early boot without dm-verity and encryption, with loadable modules and a shell on the console. */
const WEAK_INIT = `#!/bin/sh
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
echo "weak early boot" >/dev/ttyS0
# The test types Ctrl-D too, so start a new shell when one ends.
shells='trap : INT TSTP; while :; do /bin/sh -i; done'
busybox setsid -c busybox chroot /sysroot /bin/sh -c "$shells" </dev/ttyS0 >/dev/ttyS0 2>&1 &
# switch_root deletes busybox, so wait until it has started the shell.
while [ -e /proc/$! ] && ! busybox grep -q '^/bin/sh' /proc/$!/cmdline; do sleep 0.1; done
mount --move /dev /sysroot/dev
mount --move /proc /sysroot/proc
mount --move /sys /sysroot/sys
exec switch_root /sysroot /sbin/init
`;

async function weaken(image: ImageUnderTest, scratch: string): Promise<ImageUnderTest> {
  const { initrd } = image.launch;
  if (initrd === undefined) throw new Error("no initrd");
  const path = join(scratch, "initrd");
  const archive = newc([{ path: "init", mode: 0o100755, content: Buffer.from(WEAK_INIT) }]);
  await writeFile(path, appendArchive(await readFile(join(image.dir, initrd.path)), archive));
  return { ...image, launch: { ...image.launch, initrd: { ...initrd, path } } };
}

describe("a weakened image", { timeout: 900_000 }, () => {
  skipEach(dir === undefined ? "HAL_PROOF_IMAGE is not set (the path of a built dev image)" : undefined);

  const failed = (checks: readonly { readonly name: string; readonly ok: boolean }[]) =>
    checks.filter(({ ok }) => !ok).map(({ name }) => name);

  test("fails the checks of what was removed", async () => {
    const image = await readImage(dir ?? "");
    const accel = await chooseAccel("auto", join(dir ?? "", "bzImage"));
    const { checks } = await withScratchDir(image.dir, async (scratch) => prove(await weaken(image, scratch), { accel }));
    expect(failed(checks)).toEqual(
      expect.arrayContaining([
        "root is verified",
        "root is read-only",
        "write to / refused",
        "/rw is encrypted",
        "/rw is authenticated",
        "/rw: no plaintext on disk",
        "swap is encrypted",
        "swap: no plaintext on disk",
        "no shell",
        "all accounts locked",
        "no console output",
        "module loading disabled",
      ]),
    );
  });

  test("fails a hostile case", async () => {
    const image = await readImage(dir ?? "");
    const accel = await chooseAccel("auto", join(dir ?? "", "bzImage"));
    const [flipped] = chooseCases(image, ["verity-superblock"]);
    if (flipped === undefined) throw new Error("no such case");
    const result = await withScratchDir(image.dir, async (scratch) => runCase(await weaken(image, scratch), flipped, { accel }));
    expect(result.ok).toBe(false);
    expect(failed(result.checks)).toEqual(
      expect.arrayContaining(["init of the image not started", "no shell on the console", "one failure line"]),
    );
  });

  test("passes every check before it is weakened", async () => {
    const image = await readImage(dir ?? "");
    const { checks } = await prove(image, { accel: await chooseAccel("auto", join(dir ?? "", "bzImage")) });
    expect(checks.filter(({ ok }) => !ok)).toEqual([]);
  });
});
