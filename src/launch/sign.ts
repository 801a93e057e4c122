import type { KeyObject } from "node:crypto";
import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { sha256File } from "../lib/digest.js";
import { parseP384Key } from "../lib/ecdsa-p384.js";
import { HalError } from "../lib/errors.js";
import { launchRequest } from "../measure/from-bundle.js";
import { measure } from "../measure/measure.js";
import { signIdBlock } from "../measure/sev/id-block.js";
import type { Launch } from "../model/generated.js";
import { teeRules } from "./tee.js";

/** Private EC P-384 keys in PEM. */
export interface IdKeyFiles {
  readonly idKey: string;
  readonly authorKey?: string;
}

/**
 * The launch metadata with an ID block that is signed over the predicted launch digest: the processor itself
 * then refuses to start anything else. It is made at launch: an image is built without anybody's key.
 * @param base the folder of launch.json
 */
export async function signLaunch(launch: Launch, base: string, keys: IdKeyFiles): Promise<Launch> {
  const idBlockRules = launch.tee === undefined ? undefined : teeRules(launch.tee).idBlock;
  if (launch.tee === undefined || idBlockRules === undefined)
    throw new HalError("input", `platform ${launch.platform} has no ID block: it belongs to SEV-SNP`);
  refuseUncovered(launch);
  await requireUnchanged(launch, base);
  const { values, notPredicted } = await measure(launchRequest(launch, base, idBlockRules.digestOf));
  const digest = values.find(({ register }) => register === "launchDigest")?.value;
  if (digest === undefined) throw new HalError("input", `the launch digest is not predicted: ${notPredicted[0]?.why ?? "no reason known"}`);
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

/** An ID block holds for the launch digest: where that does not cover the image, it would promise what the processor does not check. */
function refuseUncovered({ boot, firmware }: Launch): void {
  if (firmware?.kind === "igvm") {
    throw new HalError(
      "input",
      "QEMU takes guest policy and ID block of an IGVM guest from the file, and drops those of its command line",
      {
        remedy: "put the ID block into the IGVM file when it is built, or start with launch.firmware instead of launch.igvm",
      },
    );
  }
  if (boot === "disk") {
    throw new HalError("input", "the launch digest covers the firmware and no disk, so an ID block would let every disk pass", {
      remedy: "build it with boot: direct",
    });
  }
}

/** What is signed is the image that was built, and not what may lie in its place now. */
async function requireUnchanged({ kernel, initrd, firmware }: Launch, base: string): Promise<void> {
  for (const described of [kernel, initrd, firmware]) {
    if (described?.sha256 === undefined) continue;
    const file = resolve(base, described.path);
    const digest = await sha256File(file).catch((error: NodeJS.ErrnoException) => {
      throw new HalError("input", `cannot be read: ${error.code}`, { at: { file } });
    });
    if (digest !== described.sha256)
      throw new HalError("check", "is not the file that launch.json describes, so nothing is signed for it", {
        at: { file },
        remedy: "hal verify says what else changed; hal build makes it again",
      });
  }
}

async function readKey(file: string): Promise<KeyObject> {
  const pem = await readFile(file, "utf8").catch((error: NodeJS.ErrnoException) => {
    throw new HalError("input", `cannot be read: ${error.code}`, { at: { file } });
  });
  const key = parseP384Key(pem);
  if (typeof key === "string")
    throw new HalError("input", key, { at: { file }, remedy: "make one: openssl ecparam -name secp384r1 -genkey -noout -out KEY.pem" });
  return key;
}
