import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { readLaunch, readManifest, readMeasurements } from "../bundle/documents.js";
import { files, isUnlisted } from "../bundle/files.js";
import { launchArgv } from "../launch/describe.js";
import { canonicalJson, sha256File } from "../lib/digest.js";
import { formatError, HalError } from "../lib/errors.js";
import { requestOf } from "../measure/from-bundle.js";
import { measure, toMeasurements } from "../measure/measure.js";
import type { Launch, Manifest, Measurements } from "../model/generated.js";
import { verifyBoot } from "./boot-image.js";
import type { Finding } from "./finding.js";
import { verifyRoot } from "./root.js";

/**
 * Recomputes everything that `out/P` says of itself: digests, launch metadata, root hash, measurements. A claim that cannot be
 * recomputed, because a file of it is missing or broken, does not hold.
 * @throws HalError "input" for a directory without a manifest
 */
export async function verifyOutput(dir: string): Promise<Finding[]> {
  const manifest = await readManifest(dir);
  return [
    ...(await verifyArtifacts(dir, manifest)),
    ...(await claims(files.launch, async () => verifyLaunch(manifest, await readLaunch(dir)))),
    ...(await claims("root", async () => verifyRoot(dir, manifest, await readLaunch(dir)))),
    ...(await claims("boot image", async () => verifyBoot(dir, manifest, await readLaunch(dir)))),
    ...(await claims(files.measurements, () => verifyMeasurements(dir))),
  ];
}

async function claims(what: string, check: () => Promise<Finding[]>): Promise<Finding[]> {
  try {
    return await check();
  } catch (error) {
    const { code, path } = error as NodeJS.ErrnoException;
    if (!(error instanceof HalError) && code === undefined) throw error;
    const found = error instanceof HalError ? formatError(error).split("\n")[0] : `${path ?? what}: ${code}`;
    return [{ what, ok: false, expected: "to be recomputed", found: found ?? "" }];
  }
}

async function verifyArtifacts(dir: string, manifest: Manifest): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const { name, size, sha256 } of manifest.artifacts) {
    const file = join(dir, name);
    const info = await stat(file).catch(() => undefined);
    if (info === undefined) findings.push({ what: name, ok: false, expected: `${size} bytes`, found: "missing" });
    else if (!info.isFile()) findings.push({ what: name, ok: false, expected: "a file", found: "something else" });
    else if (info.size !== size) findings.push({ what: name, ok: false, expected: `${size} bytes`, found: `${info.size} bytes` });
    else {
      const digest = await sha256File(file);
      findings.push({ what: name, ok: digest === sha256, expected: sha256, found: digest });
    }
  }
  const listed = new Set(manifest.artifacts.map((entry) => entry.name));
  for (const name of (await readdir(dir)).sort()) {
    if (!listed.has(name) && !isUnlisted(name))
      findings.push({ what: name, ok: false, expected: "nothing", found: "a file that the manifest does not know" });
  }
  return findings;
}

/** launch.json starts these artifacts, and its command is the one that its fields describe. */
function verifyLaunch(manifest: Manifest, launch: Launch): Finding[] {
  const digests = new Map(manifest.artifacts.map(({ name, sha256 }) => [name, sha256]));
  const { firmware, kernel, initrd, eif, drives, argv, ...rest } = launch;
  const named = [firmware, firmware?.vars, kernel, initrd, eif, ...drives].flatMap((file) =>
    file?.sha256 === undefined ? [] : [{ path: file.path, sha256: file.sha256 }],
  );
  const wrong = named.filter(({ path, sha256 }) => digests.get(path) !== sha256);
  const same = (what: string, expected: string, found: string): Finding => ({
    what: `${files.launch}: ${what}`,
    ok: expected === found,
    expected,
    found,
  });
  const described = "as its fields say";
  const command = launchArgv({ firmware, kernel, initrd, eif, drives, ...rest } as Launch);
  return [
    same("profile and platform", `${manifest.profile} ${manifest.platform}`, `${launch.profile} ${launch.platform}`),
    ...(wrong.length > 0
      ? wrong.map(({ path, sha256 }) => same(path, digests.get(path) ?? "one of the artifacts", sha256))
      : [same("files", `${named.length} artifacts`, `${named.length} artifacts`)]),
    same("argv", described, command.map(unordered).join("\n") === argv.map(unordered).join("\n") ? described : "another command"),
  ];
}

/** JSON does not keep the order of a list of options, and QEMU does not care for it. */
function unordered(word: string): string {
  return word.split(",").sort().join(",");
}

/** Predicts the measurements of `out/P` again from its artifacts and compares them with measurements.json, which must have all of them. */
async function verifyMeasurements(dir: string): Promise<Finding[]> {
  const { values, notPredicted } = await readMeasurements(dir);
  const predicted = toMeasurements(await measure(await requestOf(dir)));
  const key = ({ platform, register, bank, holdsFor }: Measurements["values"][number]): string =>
    `${platform} ${register} ${bank} ${canonicalJson(holdsFor)}`;
  const byKey = (list: Measurements["values"]) => new Map(list.map((value) => [key(value), value]));
  const [said, computed] = [byKey(values), byKey(predicted.values)];
  const findings: Finding[] = [];
  for (const name of new Set([...said.keys(), ...computed.keys()])) {
    const [found, expected] = [said.get(name)?.value, computed.get(name)?.value];
    const { platform = "", register = "", bank = "" } = said.get(name) ?? computed.get(name) ?? {};
    if (found !== expected)
      findings.push({
        what: `${platform} ${register} ${bank}`,
        ok: false,
        expected: expected ?? "no such value",
        found: found ?? "missing",
      });
  }
  if (said.size !== values.length)
    findings.push({ what: files.measurements, ok: false, expected: "one value of each kind", found: `${values.length - said.size} more` });
  if (canonicalJson(notPredicted) !== canonicalJson(predicted.notPredicted))
    findings.push({ what: `${files.measurements}: notPredicted`, ok: false, expected: "as recomputed", found: "something else" });
  return findings.length > 0 ? findings : [{ what: files.measurements, ok: true, found: `${said.size} values recomputed` }];
}
