import { join } from "node:path";
import { readLaunch, readManifest, requireFiles } from "../bundle/documents.js";
import { withoutTee } from "../launch/without-tee.js";
import { HalError } from "../lib/errors.js";
import type { Launch, Layout, Manifest } from "../model/generated.js";

/** What an image promised when it was built; everything that the proof holds it to. */
export interface Promises {
  readonly name: string;
  readonly debug: boolean;
  readonly init: "systemd" | "busybox";
  readonly ssh: boolean;
  readonly layout: Layout;
  /** Ports that the world may reach: those that the launch forwards. */
  readonly ports: readonly number[];
}

/** An output directory as the proof sees it: how to boot it without a TEE, and what it promised. */
export interface Subject {
  readonly dir: string;
  readonly launch: Launch;
  readonly manifest: Manifest;
  readonly promises: Promises;
}

/**
 * Reads `out/P`.
 * @throws HalError "input" when it is not an output directory or has nothing that QEMU can boot directly
 */
export async function readSubject(dir: string): Promise<Subject> {
  const manifest = await readManifest(dir);
  const launch = await readLaunch(dir);
  const promised = manifest.promises;
  if (promised === undefined)
    throw new HalError("input", "says nothing about what the image promises", {
      at: { file: join(dir, "manifest.json") },
      remedy: "build the image again",
    });
  // A disk with a UKI, or an EIF, holds the same kernel and initrd: the probe needs them one by one.
  const kernel = launch.kernel ?? listed(manifest, /^bzImage$/);
  const initrd = launch.initrd ?? listed(manifest, /^(rootfs|initramfs)\.cpio(\.gz|\.zst)?$/);
  if (kernel === undefined || initrd === undefined)
    throw new HalError("input", "names no kernel and initrd", { at: { file: join(dir, "launch.json") } });
  const booted: Launch = { ...withoutTee(launch), boot: "direct", kernel, initrd };
  requireFiles(dir, booted);
  return {
    dir,
    launch: booted,
    manifest,
    promises: {
      name: manifest.profile,
      debug: manifest.debug,
      init: promised.init,
      ssh: promised.ssh,
      layout: promised.layout,
      ports: (launch.net?.forwards ?? []).map(({ guest }) => guest),
    },
  };
}

function listed(manifest: Manifest, name: RegExp): Launch["kernel"] {
  const found = manifest.artifacts.find((entry) => name.test(entry.name));
  return found === undefined ? undefined : { path: found.name, size: found.size, sha256: found.sha256 };
}
