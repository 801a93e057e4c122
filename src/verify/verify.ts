import { readdir, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { artifactSha256 } from "../bundle/digest.js";
import { readLaunch, readManifest, readMeasurements } from "../bundle/documents.js";
import { files, isUnlisted } from "../bundle/files.js";
import { launchArgv } from "../launch/describe.js";
import { canonicalJson } from "../lib/digest.js";
import { formatError, HalError } from "../lib/errors.js";
import { launchRequest } from "../measure/from-bundle.js";
import { measure, toMeasurements } from "../measure/measure.js";
import type { Launch, Manifest, Measurements } from "../model/generated.js";
import { verifyBootImage } from "./boot-image.js";
import type { Finding } from "./finding.js";
import { verifyRoot } from "./root.js";

/**
 * Recomputes every claim of an image directory: digests, launch metadata, root hash, measurements. A claim fails if a file for its
 * computation is missing or invalid.
 * @throws HalError "input" for a directory without a manifest
 */
export async function verifyOutput(dir: string): Promise<Finding[]> {
  const manifest = await readManifest(dir);
  const launch = readLaunch(dir); // read once: all checks must see the same bytes
  launch.catch(() => {}); // each check that awaits it reports the error
  return [
    ...(await verifyArtifacts(dir, manifest)),
    ...(await recompute(files.launch, async () => verifyLaunch(manifest, await launch))),
    ...(await recompute("root", async () => verifyRoot(dir, manifest, await launch))),
    ...(await recompute("boot image", async () => verifyBootImage(dir, manifest, await launch))),
    ...(await recompute(files.measurements, async () => verifyMeasurements(dir, await launch))),
  ];
}

/** Runs a check. An error about the files of the directory is a finding, because the other checks must still run. */
async function recompute(what: string, check: () => Promise<Finding[]>): Promise<Finding[]> {
  try {
    return await check();
  } catch (error) {
    const { code, path } = error as NodeJS.ErrnoException;
    if (!(error instanceof HalError) && code === undefined) throw error;
    const found = error instanceof HalError ? formatError(error).split("\n")[0] : `${path ?? what}: ${code}`;
    return [{ what, ok: false, expected: "valid files", found: found ?? "" }];
  }
}

async function verifyArtifacts(dir: string, manifest: Manifest): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const { name, size, sha256, data } of manifest.artifacts) {
    const file = join(dir, name);
    const info = await stat(file).catch(() => undefined);
    if (info === undefined) findings.push({ what: name, ok: false, expected: `${size} bytes`, found: "no such file" });
    else if (!info.isFile()) findings.push({ what: name, ok: false, expected: "a regular file", found: "another type of file" });
    else if (info.size !== size) findings.push({ what: name, ok: false, expected: `${size} bytes`, found: `${info.size} bytes` });
    else {
      const digest = await artifactSha256(file, { data }).catch((error) => {
        if (error instanceof HalError && error.kind === "check") return formatError(error);
        throw error;
      });
      findings.push({ what: name, ok: digest === sha256, expected: sha256, found: digest });
    }
  }
  const listed = new Set(manifest.artifacts.map((entry) => entry.name));
  for (const name of (await readdir(dir)).sort()) {
    if (!listed.has(name) && !isUnlisted(name))
      findings.push({ what: name, ok: false, expected: "no such file", found: "a file that is not in manifest.json" });
  }
  return findings;
}

/** launch.json starts the artifacts of the manifest, and its command is the one that its other fields describe. */
function verifyLaunch(manifest: Manifest, launch: Launch): Finding[] {
  const digests = new Map(manifest.artifacts.map(({ name, sha256 }) => [name, sha256]));
  const { firmware, kernel, initrd, eif, drives, argv, ...rest } = launch;
  const named = [firmware, firmware?.vars, kernel, initrd, eif, ...drives].flatMap((file) =>
    file?.sha256 === undefined ? [] : [{ path: file.path, sha256: file.sha256 }],
  );
  const wrong = named.filter(({ path, sha256 }) => digests.get(path) !== sha256);
  const compare = (what: string, expected: string, found: string): Finding => ({
    what: `${files.launch}: ${what}`,
    ok: expected === found,
    expected,
    found,
  });
  const described = "the command that the other fields describe";
  const command = launchArgv({ firmware, kernel, initrd, eif, drives, ...rest } as Launch);
  const sameCommand = command.map(unordered).join("\n") === argv.map(unordered).join("\n");
  return [
    compare("profile and platform", `${manifest.profile} ${manifest.platform}`, `${launch.profile} ${launch.platform}`),
    ...(wrong.length > 0
      ? wrong.map(({ path, sha256 }) => compare(path, digests.get(path) ?? "a file of the manifest", sha256))
      : [compare("files", `${named.length} artifacts`, `${named.length} artifacts`)]),
    compare("argv", described, sameCommand ? described : "a different command"),
  ];
}

/** A list of QEMU options in sorted order: canonical JSON sorts the fields that it is made from, and QEMU accepts any order. */
function unordered(word: string): string {
  return word.split(",").sort().join(",");
}

/** Predicts the measurements again from the artifacts. measurements.json must contain exactly these values. */
async function verifyMeasurements(dir: string, launch: Launch): Promise<Finding[]> {
  const { values, notPredicted } = await readMeasurements(dir);
  const predicted = toMeasurements(await measure(launchRequest(launch, resolve(dir))));
  const key = ({ platform, register, bank, holdsFor }: Measurements["values"][number]): string =>
    `${platform} ${register} ${bank} ${canonicalJson(holdsFor)}`;
  const byKey = (list: Measurements["values"]) => new Map(list.map((value) => [key(value), value]));
  const [listed, computed] = [byKey(values), byKey(predicted.values)];
  const findings: Finding[] = [];
  for (const name of new Set([...listed.keys(), ...computed.keys()])) {
    const [found, expected] = [listed.get(name)?.value, computed.get(name)?.value];
    const { platform = "", register = "", bank = "" } = listed.get(name) ?? computed.get(name) ?? {};
    if (found !== expected)
      findings.push({
        what: `${platform} ${register} ${bank}`,
        ok: false,
        expected: expected ?? "no such value",
        found: found ?? "no such value",
      });
  }
  const duplicates = values.length - listed.size;
  if (duplicates > 0) findings.push({ what: files.measurements, ok: false, expected: "no duplicates", found: `${duplicates} duplicates` });
  if (canonicalJson(notPredicted) !== canonicalJson(predicted.notPredicted))
    findings.push({ what: `${files.measurements}: notPredicted`, ok: false, expected: "the recomputed list", found: "a different list" });
  return findings.length > 0 ? findings : [{ what: files.measurements, ok: true, found: `${listed.size} values recomputed` }];
}
