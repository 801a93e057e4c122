import type { KeyObject } from "node:crypto";
import { join, resolve } from "node:path";
import { files } from "../bundle/files.js";
import { sha256File } from "../lib/digest.js";
import { HalError } from "../lib/errors.js";
import { parseP384Key } from "../lib/p384-key.js";
import { readKeyFile } from "../lib/regular-file.js";
import { launchRequest } from "../measure/from-bundle.js";
import { measure } from "../measure/measure.js";
import { signIdBlock } from "../measure/sev/id-block.js";
import type { Launch } from "../model/generated.js";
import { judgeCommandLine } from "../model/judge-cmdline.js";
import { teeRules } from "./tee.js";

/** Files with private EC P-384 keys in PEM. */
export interface IdKeyFiles {
  readonly idKey: string;
  readonly authorKey?: string;
}

/**
 * Adds a signed ID block over the predicted launch digest. The processor then refuses to start any other image.
 * hal signs at launch, so that a build needs no key.
 * @param launch `judgeLaunch` finds no fault with it
 * @param base the folder of launch.json
 * @throws HalError "input" for a platform without ID blocks, an image that the digest does not cover, or an unusable key;
 * "check" for a file that changed after the build, and for a kernel parameter that hal does not know
 */
export async function signLaunch(launch: Launch, base: string, keys: IdKeyFiles): Promise<Launch> {
  const idBlockRules = launch.tee === undefined ? undefined : teeRules(launch.tee).idBlock;
  if (launch.tee === undefined || idBlockRules === undefined)
    throw new HalError("input", `platform ${launch.platform} has no ID block`, {
      remedy: "remove --id-key; only SEV-SNP has ID blocks",
    });
  refuseUncoveredImage(launch);
  refuseUnknownParameters(launch, base);
  await requireBuiltFiles(launch, base);
  const { values, notPredicted } = await measure(launchRequest(launch, base, idBlockRules.digestOf));
  const digest = values.find(({ register }) => register === "launchDigest")?.value;
  if (digest === undefined)
    throw new HalError("input", `hal cannot predict the launch digest: ${notPredicted[0]?.why ?? "unknown reason"}`);
  const policy = launch.tee.policy ?? idBlockRules.policy;
  const { idBlock, idAuth } = signIdBlock({
    launchDigest: digest,
    policy: BigInt(policy),
    idKey: await readKey(keys.idKey),
    ...(keys.authorKey === undefined ? {} : { authorKey: await readKey(keys.authorKey) }),
  });
  return {
    ...launch,
    tee: { ...launch.tee, policy, idBlock, idAuth, ...(keys.authorKey === undefined ? {} : { authorKeyEnabled: true }) },
  };
}

/**
 * Refuses every kernel parameter that `hal verify` refuses, also one that hal does not know. Whoever trusts the key sees only its digest in
 * a report, and no command line.
 */
function refuseUnknownParameters({ cmdline, platform, debug }: Launch, base: string): void {
  const [fault] = judgeCommandLine(cmdline, { verity: cmdline.includes("roothash="), platform, debug });
  if (fault !== undefined)
    throw new HalError("check", `cmdline: '${fault.word}' ${fault.why}`, { at: { file: join(base, files.launch) }, remedy: fault.remedy });
}

/** Refuses an image that the launch digest does not cover, because the processor checks the ID block against that digest only. */
function refuseUncoveredImage({ boot, firmware }: Launch): void {
  if (firmware?.kind === "igvm") {
    throw new HalError("input", "QEMU reads the guest policy and the ID block from the IGVM file, and ignores those of the command line", {
      remedy: "add the ID block when you build the IGVM file, or replace launch.igvm by launch.firmware",
    });
  }
  if (boot === "disk") {
    throw new HalError("input", "the launch digest does not cover the disk, so the processor would start any disk with this ID block", {
      remedy: "build the image with boot: direct",
    });
  }
}

/** Refuses a kernel, initrd or firmware that differs from the file of the build. hal must sign nothing else. */
async function requireBuiltFiles({ kernel, initrd, firmware }: Launch, base: string): Promise<void> {
  for (const described of [kernel, initrd, firmware]) {
    if (described?.sha256 === undefined) continue;
    const file = resolve(base, described.path);
    const digest = await sha256File(file, { follow: false });
    if (digest !== described.sha256)
      throw new HalError("check", "differs from the file that launch.json describes, so hal does not sign it", {
        at: { file },
        remedy: "run hal verify to find all changed files, or build the image again",
      });
  }
}

async function readKey(file: string): Promise<KeyObject> {
  const key = parseP384Key(await readKeyFile(file));
  if (typeof key === "string")
    throw new HalError("input", key, { at: { file }, remedy: "create a key: openssl ecparam -name secp384r1 -genkey -noout -out KEY.pem" });
  return key;
}
