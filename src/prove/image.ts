import { join } from "node:path";
import { readManifest, requireFiles } from "../bundle/documents.js";
import { files, isInitrd } from "../bundle/files.js";
import { readJudgedLaunch } from "../launch/judge.js";
import { withoutTee } from "../launch/without-tee.js";
import { HalError } from "../lib/errors.js";
import { firmwarePlaceholder } from "../model/firmware-placeholders.js";
import type { Launch, Layout, Manifest } from "../model/generated.js";

/** What `hal test` requires of an image: its promises in manifest.json and its forwarded ports in launch.json. */
export interface ImagePromises {
  readonly name: string;
  readonly debug: boolean;
  readonly init: "systemd" | "busybox";
  readonly ssh: boolean;
  /** Whether the kernel keeps code of the host's ACPI tables out of its memory. */
  readonly hostAml: "blocked" | "runs";
  readonly layout: Layout;
  /** Guest ports that other hosts may reach: those that launch.json forwards. */
  readonly ports: readonly number[];
}

/** An image directory to test. */
export interface ImageUnderTest {
  readonly dir: string;
  readonly manifest: Manifest;
  /** launch.json as it is. */
  readonly described: Launch;
  /** How the tests boot it: without a TEE, with kernel and initrd as separate files, because they add the probe to the initrd. */
  readonly launch: Launch;
  readonly promises: ImagePromises;
}

/**
 * Reads an image directory.
 * @throws HalError "input" when it is not an image directory, or when QEMU cannot boot its kernel and initrd
 */
export async function readImage(dir: string): Promise<ImageUnderTest> {
  const manifest = await readManifest(dir);
  const described = await readJudgedLaunch(dir);
  const { promises } = manifest;
  if (promises === undefined)
    throw new HalError("input", "has no field 'promises', so there is nothing to test", {
      at: { file: join(dir, files.manifest) },
      remedy: "build the image again",
    });
  // An image that boots from a UKI or an EIF has the same kernel and initrd as separate artifacts.
  const kernel = described.kernel ?? artifact(manifest, (name) => name === files.kernel);
  const initrd = described.initrd ?? artifact(manifest, isInitrd);
  if (kernel === undefined || initrd === undefined)
    throw new HalError("input", "names no kernel and initrd", { at: { file: join(dir, files.launch) } });
  const { firmware, ...plain } = withoutTee(described);
  // The boot is direct, so QEMU's own firmware does as well as one that the launcher would have to give.
  const own = firmware !== undefined && firmwarePlaceholder(firmware) === undefined ? { firmware } : {};
  const launch: Launch = { ...plain, ...own, boot: "direct", kernel, initrd };
  requireFiles(dir, launch);
  return {
    dir,
    manifest,
    described,
    launch,
    promises: {
      name: manifest.profile,
      debug: manifest.debug,
      init: promises.init,
      ssh: promises.ssh,
      hostAml: promises.hostAml,
      layout: promises.layout,
      ports: (described.net?.forwards ?? []).map(({ guest }) => guest),
    },
  };
}

function artifact(manifest: Manifest, matches: (name: string) => boolean): Launch["kernel"] {
  const found = manifest.artifacts.find((entry) => matches(entry.name));
  return found === undefined ? undefined : { path: found.name, size: found.size, sha256: found.sha256 };
}
