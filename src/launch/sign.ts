import { createPrivateKey, type KeyObject } from "node:crypto";
import { readFile } from "node:fs/promises";
import { HalError } from "../errors.js";
import type { Launch } from "../generated/types.js";
import { signIdBlock } from "../measure/id-block.js";
import { measure } from "../measure/measure.js";
import { launchRequest } from "../measure-output.js";

/** Private EC P-384 keys in PEM. */
export interface IdKeyFiles {
  readonly idKey: string;
  readonly authorKey?: string;
}

/** What QEMU's sev-snp-guest has when nothing is said (qapi/qom.json, SevSnpGuestProperties: policy). */
const DEFAULT_POLICY = "0x30000";

/**
 * The launch metadata with an ID block that is signed over the predicted launch digest: the processor itself
 * then refuses to start anything else. It is made at launch: an image is built without anybody's key.
 * @param base the folder of launch.json
 */
export async function signLaunch(launch: Launch, base: string, keys: IdKeyFiles): Promise<Launch> {
  if (launch.tee?.type !== "sev-snp")
    throw new HalError("input", `an ID block is SEV-SNP's, and this image is for platform ${launch.platform}`);
  const { values, notPredicted } = await measure(launchRequest(launch, base, "sev-snp"));
  const digest = values.find(({ register }) => register === "launchDigest")?.value;
  if (digest === undefined) throw new HalError("input", `the launch digest is not predicted: ${notPredicted[0]?.why ?? "no reason known"}`);
  const policy = launch.tee.policy ?? DEFAULT_POLICY;
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

async function readKey(file: string): Promise<KeyObject> {
  const pem = await readFile(file, "utf8").catch((error: NodeJS.ErrnoException) => {
    throw new HalError("input", `cannot be read: ${error.code}`, { at: { file } });
  });
  try {
    return createPrivateKey(pem);
  } catch {
    throw new HalError("input", "is no private key in PEM", { at: { file }, remedy: "openssl ecparam -genkey -name secp384r1 -noout" });
  }
}
