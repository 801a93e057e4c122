import { files } from "../bundle/files.js";
import type { Launch, Manifest } from "../model/generated.js";
import { judgeCommandLine } from "../model/judge-cmdline.js";
import type { Finding } from "./finding.js";

/**
 * Checks that the kernel command line undoes no promise of the image, and that hal knows each of its parameters. Whether the root has
 * dm-verity follows from the artifacts.
 */
export function verifyCommandLine(manifest: Manifest, { cmdline, platform, debug }: Launch): Finding[] {
  const what = `${files.launch}: kernel command line`;
  const verity = manifest.artifacts.some(({ name }) => name === files.root);
  const findings = judgeCommandLine(cmdline, { verity, platform, debug: debug && manifest.debug });
  if (findings.length === 0) return [{ what, ok: true }];
  return findings.map(({ word, why }) => ({
    what,
    ok: false,
    expected: "known parameters that keep every promise",
    found: `'${word}' ${why}`,
  }));
}
