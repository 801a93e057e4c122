import { mkdtemp, readdir, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { composeLaunch, factsOf } from "../../src/launch/compose.js";
import { describeLaunch } from "../../src/launch/describe.js";
import { canonicalJson, sha256 } from "../../src/lib/digest.js";
import { launchRequest } from "../../src/measure/from-bundle.js";
import { measure, toMeasurements } from "../../src/measure/measure.js";
import type { Launch } from "../../src/model/generated.js";
import { resolve } from "../../src/resolve/resolve.js";
import { manifestOf } from "../bundle/manifest-fixture.js";
import { buildFirmware } from "../codecs/build-firmware.js";
import { buildPe } from "../codecs/build-pe.js";

/** An image directory with small files, as a build of this profile with its root in RAM makes it. */
export async function imageDirectory(profile: string, set: readonly string[] = []): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "hal-image-"));
  const resolved = await resolve(profile, { set: ["layout=ram", ...set] });
  const contents: Record<string, Uint8Array | string> = {
    bzImage: buildPe([{ name: ".text", data: Buffer.from("kernel") }]),
    "rootfs.cpio.gz": "initrd",
  };
  if (resolved.profile.launch.firmware !== undefined) contents["firmware.fd"] = buildFirmware();
  for (const [name, bytes] of Object.entries(contents)) await writeFile(join(dir, name), bytes);
  const artifacts = Object.entries(contents).map(([name, bytes]) => ({ name, size: Buffer.byteLength(bytes), sha256: sha256(bytes) }));
  const firmware = artifacts.find(({ name }) => name === "firmware.fd");
  const measured = firmware && { path: "firmware.fd", sha256: firmware.sha256, packageVersion: "2025.02-8" };
  const launch = describeLaunch(resolved, artifacts, resolved.cmdline.join(" "), measured === undefined ? {} : { firmware: measured });
  await writeFile(join(dir, "launch.json"), canonicalJson(launch));
  await writeFile(join(dir, "measurements.json"), canonicalJson(toMeasurements(await measure(launchRequest(launch, dir)), launch)));
  const { init, ssh, debug } = resolved.profile;
  await fitManifest(dir, {
    profile,
    platform: resolved.platform,
    debug,
    promises: { init, ssh, hostAml: "runs", layout: resolved.layout },
  });
  return dir;
}

/** Writes a manifest that fits all files of the directory, as a dishonest publisher can. */
export async function fitManifest(dir: string, said?: Parameters<typeof manifestOf>[0]): Promise<void> {
  const file = join(dir, "manifest.json");
  const kept = said ?? (JSON.parse(await readFile(file, "utf8")) as object);
  const names = (await readdir(dir)).filter((name) => name !== "manifest.json");
  const artifacts = await Promise.all(
    names.map(async (name) => {
      const bytes = await readFile(join(dir, name));
      return { name, size: bytes.length, sha256: sha256(bytes) };
    }),
  );
  await writeFile(file, canonicalJson(manifestOf({ ...kept, artifacts })));
}

/** Changes launch.json and makes its command and the manifest fit, as a dishonest publisher can. */
export async function forgeLaunch(dir: string, change: (launch: Launch) => object): Promise<void> {
  const file = join(dir, "launch.json");
  const changed = change(JSON.parse(await readFile(file, "utf8")) as Launch) as Launch;
  let argv = changed.argv;
  try {
    argv = composeLaunch(factsOf(changed)).argv;
  } catch {
    // a change that has no command
  }
  await writeFile(file, canonicalJson({ ...changed, argv }));
  await fitManifest(dir);
}
