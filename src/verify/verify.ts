import { readdir, stat } from "node:fs/promises";
import { resolve } from "node:path";
import { artifactSha256 } from "../bundle/digest.js";
import { readLaunch, readManifest, readMeasurements } from "../bundle/documents.js";
import { files, isUnlisted } from "../bundle/files.js";
import { imageFile, irregularFiles } from "../bundle/open.js";
import { judgeLaunch } from "../launch/judge.js";
import { canonicalJson } from "../lib/digest.js";
import { formatError, HalError } from "../lib/errors.js";
import { launchRequest } from "../measure/from-bundle.js";
import { measure, toMeasurements } from "../measure/measure.js";
import { firmwarePlaceholder } from "../model/firmware-placeholders.js";
import type { Launch, Manifest, Measurements } from "../model/generated.js";
import { weaknesses } from "../model/weaknesses.js";
import { verifyBootImage } from "./boot-image.js";
import { verifyCommandLine } from "./cmdline.js";
import { verifyDisk } from "./disk.js";
import type { Finding } from "./finding.js";
import { verifyRoot } from "./root.js";

/**
 * Recomputes every claim of an image directory: digests, launch metadata, root hash, measurements. A claim fails if a file for its
 * computation is missing or invalid.
 * @throws HalError "input" for a directory without a manifest
 */
export async function verifyOutput(dir: string): Promise<Finding[]> {
  const manifest = await readManifest(dir);
  // A link could lead to a file of the host, and reading a pipe never ends. Nothing in such a directory is read.
  const irregular = await irregularFiles(dir);
  if (irregular.length > 0) return irregular.map(({ name, why }) => ({ what: name, ok: false, expected: "a regular file", found: why }));
  const launch = readLaunch(dir); // read once: all checks must see the same bytes
  launch.catch(() => {}); // each check that awaits it reports the error
  return [
    ...(await verifyArtifacts(dir, manifest)),
    ...(await recompute(files.launch, async () => verifyLaunch(manifest, await launch))),
    ...(await recompute("command line", async () => verifyCommandLine(manifest, await launch))),
    ...(await recompute("root", async () => verifyRoot(dir, manifest, await launch))),
    ...(await recompute("disk", async () => verifyDisk(dir, manifest, await launch))),
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

/** The digests of the manifest. The directory contains no other file. */
async function verifyArtifacts(dir: string, manifest: Manifest): Promise<Finding[]> {
  const findings: Finding[] = [];
  const present = new Set(await readdir(dir));
  for (const entry of manifest.artifacts) {
    const { name, size } = entry;
    if (!present.delete(name)) findings.push({ what: name, ok: false, expected: `${size} bytes`, found: "no such file" });
    else findings.push(await verifyFile(dir, entry));
  }
  for (const name of [...present].sort())
    if (!isUnlisted(name)) findings.push({ what: name, ok: false, expected: "no such file", found: "a file that is not in manifest.json" });
  return findings;
}

async function verifyFile(dir: string, { name, size, sha256, data }: Manifest["artifacts"][number]): Promise<Finding> {
  const path = imageFile(dir, name);
  const found = (await stat(path)).size;
  if (found !== size) return { what: name, ok: false, expected: `${size} bytes`, found: `${found} bytes` };
  const digest = await artifactSha256(path, { data }, { follow: false }).catch((error) => {
    if (error instanceof HalError && error.kind === "check") return formatError(error);
    throw error;
  });
  return { what: name, ok: digest === sha256, expected: sha256, found: digest };
}

/** launch.json is one that hal writes, and it starts the artifacts of the manifest. */
function verifyLaunch(manifest: Manifest, launch: Launch): Finding[] {
  const faults = judgeLaunch(launch).map(
    ({ key, message }): Finding => ({ what: `${files.launch}: ${key}`, ok: false, expected: "what hal build writes", found: message }),
  );
  const { firmware, kernel, initrd, eif, drives } = launch;
  const listed = new Map(manifest.artifacts.map((entry) => [entry.name, entry]));
  const named = [firmware, firmware?.vars, kernel, initrd, eif, ...drives].flatMap((file) =>
    file === undefined || firmwarePlaceholder(file) !== undefined ? [] : [file],
  );
  const described = ({ sha256, size }: { readonly sha256?: string; readonly size?: number }): string =>
    `${sha256 ?? "no digest"}${size === undefined ? "" : `, ${size} bytes`}`;
  const expected = (file: (typeof named)[number]): string => {
    const entry = listed.get(file.path);
    return entry === undefined ? "a file of the manifest" : described("size" in file ? entry : { sha256: entry.sha256 });
  };
  const wrong = named.filter((file) => expected(file) !== described(file));
  const compare = (what: string, expected: string, found: string): Finding => ({
    what: `${files.launch}: ${what}`,
    ok: expected === found,
    expected,
    found,
  });
  const image = ({ profile, platform, debug }: Manifest | Launch): string => `${profile} ${platform}${debug ? " debug" : ""}`;
  const supplied = [firmware, firmware?.vars].flatMap((file) => firmwarePlaceholder(file) ?? []);
  return [
    ...(faults.length > 0 ? faults : [{ what: `${files.launch}: settings, machine and command`, ok: true }]),
    compare("profile and platform", image(manifest), image(launch)),
    ...(wrong.length > 0
      ? wrong.map((file) => compare(file.path, expected(file), described(file)))
      : [compare("files", `${named.length} artifacts`, `${named.length} artifacts`)]),
    ...supplied.map(({ means }) => ({
      what: `${files.launch}: ${means}`,
      ok: true,
      found: "supplied by the launcher; not covered by this directory",
    })),
    ...(manifest.accepted ?? []).map((name) => ({ what: `accepted weakness ${name}`, ok: true, found: weaknesses[name] })),
    ...(launch.debug ? [{ what: "debug image", ok: true, found: "console and root login are enabled; do not trust it" }] : []),
  ];
}

/** Predicts the measurements again from the artifacts. measurements.json must contain exactly these values and expectations. */
async function verifyMeasurements(dir: string, launch: Launch): Promise<Finding[]> {
  const { values, expect, notPredicted } = await readMeasurements(dir);
  const predicted = toMeasurements(await measure(launchRequest(launch, resolve(dir))), launch);
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
  for (const [list, found, expected] of [
    ["expect", expect, predicted.expect],
    ["notPredicted", notPredicted, predicted.notPredicted],
  ] as const)
    if (canonicalJson(found) !== canonicalJson(expected))
      findings.push({ what: `${files.measurements}: ${list}`, ok: false, expected: "the recomputed list", found: "a different list" });
  return findings.length > 0 ? findings : [{ what: files.measurements, ok: true, found: `${listed.size} values recomputed` }];
}
