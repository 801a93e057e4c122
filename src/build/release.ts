import type { BackendName, BuildOptions } from "../backends/backend.js";
import { backends } from "../backends/index.js";
import { HalError } from "../lib/errors.js";
import { nearestOrigin } from "../load/tree.js";
import { judgeParameter } from "../model/judge-cmdline.js";
import { platforms } from "../model/platforms/index.js";
import type { Resolved } from "../model/resolved.js";
import { type Weakness, weaknesses } from "../model/weaknesses.js";
import { rootContents } from "../render/root-contents.js";
import { firmwareFile } from "./firmware.js";
import { addsConsoleUnit, letsIn, replacesOwnFile, setsPassword, setsUserId } from "./release-contents.js";
import { weakensKernel } from "./release-kernel.js";
import { addsRemoteLogin, setsUnknownSymbol } from "./release-packages.js";
import type { ReleaseRule } from "./release-rule.js";

/** The weaknesses that an image has, whether its profile accepts them or not. */
export function weaknessesOf({ profile, platform }: Resolved, backend: BackendName): readonly Weakness[] {
  return backends[backend].hostAml === "runs" && !platforms[platform].coversTables(profile.launch) ? ["host-aml"] : [];
}

/** Every rule of a release, in the order in which they are checked. */
const rules: readonly ReleaseRule[] = [
  // For development only
  ({ resolved: { profile } }) =>
    profile.debug ? { why: "a debug image cannot be released: its console and login are enabled", at: "/debug" } : undefined,
  ({ resolved: { platform } }) => {
    const { name, unreleasable } = platforms[platform];
    if (unreleasable === undefined) return undefined;
    return {
      why: `an image for platform ${name} cannot be released: ${unreleasable}`,
      at: "/platform",
      remedy: "set platform to the TEE of the hardware",
    };
  },
  ({ resolved: { platform, profile } }) => {
    const { name, unmeasuredDisk } = platforms[platform];
    const remedy = profile.boot === "uki" ? unmeasuredDisk(profile.launch) : undefined;
    if (remedy === undefined) return undefined;
    return { why: `on platform ${name} no register measures the program that the firmware boots from a disk`, at: "/boot", remedy };
  },
  ({ resolved: { debianOmitted }, options: { backend } }) =>
    backend === "debian" && debianOmitted.length > 0
      ? {
          why: `the debian backend leaves out ${debianOmitted.join(", ")}`,
          at: "/backends/debian/omit",
          remedy: "release with the buildroot backend",
        }
      : undefined,

  // The promises of the layout
  ({ resolved: { layout, profile } }) =>
    layout.rw?.integrity === "none"
      ? {
          why: "the read-write partition is not authenticated, so the host can change its data",
          at: profile.layoutOptions.integrity === undefined ? "/layout" : "/layoutOptions/integrity",
          remedy: "set layoutOptions: {integrity: hmac-sha256}",
        }
      : undefined,
  ({ resolved: { cmdline, layout, platform, profile } }) => {
    const image = { verity: layout.root.type === "verity", platform, debug: profile.debug };
    const finding = cmdline.map((word) => judgeParameter(word, image)).find((found) => found !== undefined);
    if (finding === undefined) return undefined;
    const index = profile.kernel.cmdline.indexOf(finding.word);
    const at = index < 0 ? "/layout" : `/kernel/cmdline/${index}`;
    return { why: `kernel parameter ${finding.word} ${finding.why}`, at, remedy: finding.remedy };
  },

  // Ways into the image
  addsRemoteLogin,
  setsPassword,
  setsUserId,
  replacesOwnFile,
  addsConsoleUnit,
  letsIn,
  setsUnknownSymbol,

  // Sources that anyone can find again
  ({ resolved: { profile } }) => {
    const { firmware, igvm } = profile.launch;
    if (igvm !== undefined || firmware?.package === undefined || firmware.version !== undefined) return undefined;
    return {
      why: `the version of the firmware package ${firmware.package} is not fixed`,
      at: "/launch/firmware",
      remedy: "set launch.firmware.version; launch.json of a build names the version",
    };
  },
  async ({ resolved }) => {
    const { firmware, igvm } = resolved.profile.launch;
    const path = igvm ?? firmware?.path;
    if (path === undefined || (await firmwareFile(resolved)) !== undefined) return undefined;
    return {
      why: `the firmware ${path} does not exist on this machine, so its digest is unknown`,
      at: igvm === undefined ? "/launch/firmware/path" : "/launch/igvm",
      remedy: "name a file that exists",
    };
  },
  ({ resolved: { profile }, options: { backend } }) =>
    backend === "debian" && profile.debian.snapshot === undefined
      ? {
          why: "the state of Debian's archive is not fixed",
          at: "/debian/snapshot",
          remedy: "set debian.snapshot, such as 20260101T000000Z",
        }
      : undefined,
  ({ resolved: { profile }, options: { backend } }) =>
    backend === "buildroot" && profile.kernel.sha256 === undefined
      ? { why: "the digest of the kernel's source is not fixed", at: "/kernel/version", remedy: "set kernel.sha256" }
      : undefined,
  ({ resolved: { profile }, options: { backend } }) =>
    backend === "debian" && profile.debian.mirror?.startsWith("file:")
      ? { why: "the archive is a directory of this machine", at: "/debian/mirror", remedy: "use an https address, or remove it" }
      : undefined,
  ({ resolved: { profile }, options: { backend, buildroot } }) => {
    const [name] = Object.keys(profile.buildroot.overrides);
    if (backend !== "buildroot") return undefined;
    if (name !== undefined)
      return { why: `the source of ${name} is a directory of this machine`, at: `/buildroot/overrides/${name}`, remedy: "remove it" };
    if (profile.buildroot.localMk !== undefined)
      return { why: "a makefile of the profile can change every package", at: "/buildroot/localMk", remedy: "remove it" };
    if (profile.buildroot.primarySite?.startsWith("file:"))
      return { why: "the download site is a directory of this machine", at: "/buildroot/primarySite", remedy: "remove it" };
    if (buildroot.tree !== undefined)
      return {
        why: "--buildroot names a tree whose files nobody compared with the pinned release",
        at: "/buildroot/version",
        remedy: "remove --buildroot: hal clones the pinned commit",
      };
    if (buildroot.allowVersion)
      return { why: "--allow-version accepts any version of Buildroot", at: "/buildroot/version", remedy: "remove --allow-version" };
    return typeof profile.buildroot.toolchain === "string"
      ? undefined
      : { why: "the toolchain is a directory of this machine", at: "/buildroot/toolchain", remedy: "use internal or bootlin" };
  },

  // The host's ways into the kernel
  ({ resolved, options: { backend } }) => {
    const [weakness] = weaknessesOf(resolved, backend).filter((name) => !resolved.profile.accept.includes(name));
    return weakness === undefined
      ? undefined
      : {
          why: `the kernel of Debian does not keep the host out: ${weaknesses[weakness]}`,
          at: "/platform",
          remedy: `release with the buildroot backend, or accept the weakness: accept: [${weakness}]`,
        };
  },
  weakensKernel,
];

/**
 * With `--release`, refuses an image unless every rule allows it.
 * @throws HalError "check" for the first rule that does not
 */
export async function refuseUnreleasable(resolved: Resolved, options: BuildOptions): Promise<void> {
  if (!options.release) return;
  const candidate = { resolved, options, contents: rootContents(resolved, options.backend) };
  for (const rule of rules) {
    const refused = await rule(candidate);
    if (refused === undefined) continue;
    const { why, at, remedy } = refused;
    throw new HalError("check", why, {
      at: typeof at === "string" ? nearestOrigin(resolved.origins, at) : at,
      ...(remedy === undefined ? {} : { remedy }),
    });
  }
}
