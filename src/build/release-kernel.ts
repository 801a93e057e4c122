import { readFileSync } from "node:fs";
import { join } from "node:path";
import { readFragment } from "../kconfig/dotconfig.js";
import { halRoot } from "../lib/paths.js";
import type { SymbolRequest } from "../model/resolved.js";
import type { ReleaseCandidate, Unreleasable } from "./release-rule.js";

/** hal's own kernel fragment that protects the guest from the host. */
const hardening = "profiles/kernel/hardening.config";

/** Options that protect the kernel, and that the kernel enables by default: a profile must not disable them. */
const protections =
  /^CONFIG_(?:MITIGATION_\w+|RETPOLINE|RETHUNK|PAGE_TABLE_ISOLATION|STRICT_\w+|SECCOMP\w*|X86_(?:SMAP|SMEP|UMIP|KERNEL_IBT)|RANDSTRUCT\w*|RANDOM_KMALLOC_CACHES|AMD_MEM_ENCRYPT|INTEL_TDX_GUEST|DM_(?:VERITY|CRYPT|INTEGRITY))$/;

/** Options that give a way into the kernel: a profile must not enable them. */
const openings =
  /^CONFIG_(?:KEXEC\w*|CRASH_DUMP|PROC_VMCORE|DEVMEM|DEVKMEM|DEVPORT|KGDB\w*|DEBUG_(?:FS|INFO_BTF_MODULES)\w*|MODULES|MODULE_FORCE_\w+|ACPI_(?:CUSTOM_\w+|DEBUG\w*|TABLE_OVERRIDE_\w+)|INITRAMFS_SOURCE|EXTRA_FIRMWARE\w*|LOCK_DOWN_KERNEL_FORCE_NONE|SECURITY_\w+_(?:BOOTPARAM|DISABLE)\w*|DM_VERITY_VERIFY_ROOTHASH_SIG_DISABLE|PROVIDE_OHCI1394_DMA_INIT|MAGIC_SYSRQ\w*)$/;

const isOff = (value: string): boolean => value === "n" || value === '""';

/** The kernel options of the image keep every line of hal's hardening fragment. Debian compiles its kernel itself. */
export function weakensKernel({ resolved, options: { backend } }: ReleaseCandidate): Unreleasable | undefined {
  if (backend !== "buildroot") return undefined;
  const last = new Map<string, SymbolRequest>();
  for (const request of resolved.kernelFragments.flatMap(({ requests }) => requests)) last.set(request.symbol, request);
  for (const { symbol, value } of readFragment(readFileSync(join(halRoot, hardening), "utf8"), hardening)) {
    const asked = last.get(symbol);
    if (asked === undefined)
      return {
        why: `no fragment sets ${symbol} as ${hardening} does`,
        at: "/kernel/fragments",
        remedy: "keep hal's kernel/hardening.config",
      };
    if (asked.value !== value)
      return { why: `${symbol}=${asked.value} undoes a line of ${hardening}`, at: asked.at, remedy: `remove it: the line sets ${value}` };
  }
  const weak = [...last.values()].find(({ symbol, value }) =>
    protections.test(symbol) ? isOff(value) : openings.test(symbol) && !isOff(value),
  );
  return weak && { why: `${weak.symbol}=${weak.value} weakens the kernel`, at: weak.at, remedy: "remove it" };
}
