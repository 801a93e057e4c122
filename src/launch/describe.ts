import { files, isEif, isInitrd } from "../bundle/files.js";
import type { FileDigest } from "../lib/digest.js";
import type { Launch } from "../model/generated.js";
import type { Resolved } from "../model/resolved.js";
import { composeLaunch, type FirmwareFacts, type LaunchFacts } from "./compose.js";

/** Facts that are known only after a build. */
export interface DescribeOptions {
  readonly backend?: NonNullable<Launch["backend"]>;
  /**
   * The measured firmware or IGVM file, which the build has copied into the image directory. Digests are hex.
   * Without it, launch.json contains a placeholder, and the launcher gives the firmware of the profile.
   */
  readonly firmware?: {
    readonly sha256: string;
    readonly packageVersion?: string;
    readonly vars?: { readonly sha256: string };
  };
}

/**
 * Returns launch.json: everything that a launcher needs to start the image, and the reference measurements that belong to it.
 * The function refuses no setting, because `resolve` already checked them all.
 * @param artifacts name, size in bytes and SHA-256 of every file of the image directory
 * @param cmdline the complete kernel command line, with `roothash=` if the root is verified
 * @throws HalError "input" if the artifacts lack a file that the image boots, or if an enclave has too little memory for its EIF
 */
export function describeLaunch(
  resolved: Resolved,
  artifacts: readonly FileDigest[],
  cmdline: string,
  { backend, firmware: measured }: DescribeOptions = {},
): Launch {
  const { profile } = resolved;
  const find = (key: "kernel" | "initrd" | "eif" | "disk", wanted: (name: string) => boolean) => {
    const found = artifacts.find(({ name }) => wanted(name));
    return found === undefined ? {} : { [key]: { path: found.name, size: found.size, sha256: found.sha256 } };
  };
  const firmware = firmwareFacts(resolved, measured);
  return composeLaunch({
    profile: resolved.name,
    platform: resolved.platform,
    ...(backend === undefined ? {} : { backend }),
    debug: profile.debug,
    uki: profile.boot === "uki",
    settings: chosenSettings(resolved),
    ...(firmware === undefined ? {} : { firmware }),
    ...find("kernel", (name) => name === files.kernel),
    ...find("initrd", isInitrd),
    ...find("eif", isEif),
    ...find("disk", (name) => name === files.disk),
    cmdline,
  });
}

/** Removes a guest policy that `resolve` filled in. The command line then contains no policy, and QEMU uses the same default. */
export function chosenSettings({ profile: { launch }, defaults }: Pick<Resolved, "profile" | "defaults">): LaunchFacts["settings"] {
  const { policy, firmware: _firmware, igvm: _igvm, ...rest } = launch;
  return policy === undefined || defaults.has("/launch/policy") ? rest : { ...rest, policy };
}

function firmwareFacts({ profile }: Resolved, measured: DescribeOptions["firmware"]): FirmwareFacts | undefined {
  const { firmware, igvm } = profile.launch;
  if (firmware === undefined && igvm === undefined) return undefined;
  const vars = measured?.vars ?? (firmware?.vars === undefined ? undefined : {});
  return {
    igvm: igvm !== undefined,
    ...(measured === undefined ? {} : { sha256: measured.sha256 }),
    ...(firmware?.package === undefined || firmware.path !== undefined ? {} : { package: firmware.package }),
    ...(measured?.packageVersion === undefined ? {} : { packageVersion: measured.packageVersion }),
    ...(vars === undefined ? {} : { vars }),
  };
}
