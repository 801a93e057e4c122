import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { cmdlineWords } from "../../src/codecs/cmdline.js";
import { type JudgedImage, judgeCommandLine, judgeParameter } from "../../src/model/judge-cmdline.js";
import { parameterRows } from "../../src/model/kernel-parameters.js";

const ram: JudgedImage = { verity: false, platform: "sev-snp", debug: false };
const verity: JudgedImage = { ...ram, verity: true };
const hash = "0123456789abcdef".repeat(4);
const verdict = (cmdline: string, image = ram): string => judgeCommandLine(cmdline, image)[0]?.verdict ?? "fine";

describe("a kernel parameter that undoes a promise is named", () => {
  test.each([
    ["init=/bin/sh", "rdinit=/bin/sh", "root=/dev/sda", "rootflags=x", "ro", "rw", "initrd=/x", "noinitrd", "usrhash=0", "nfsroot=x"],
    ["dm-mod.create=x", "dm_mod.create=x", "dm_verity.error_behaviour=x", "resume=/dev/sda", "bootconfig", "gpt", "--"],
    ["systemd.unit=x", "systemd.debug-shell", "systemd.debug_shell=1", "systemd.mask=x", "systemd.run=x", "systemd.setenv=A=b"],
    ["systemd.import_credentials=yes", "systemd.set_credential=a:b", "rd.break", "single", "S", "-b", "1", "emergency"],
    ["console=ttyS0", "console=tty0", "earlycon", "earlyprintk=serial", "netconsole=x", "kgdboc=ttyS0", "kgdbwait", "debug"],
    ["sysrq_always_enabled", "crashkernel=256M", "kexec_load_disabled=0", "debugfs=on", "ftrace=function", "no_hash_pointers"],
    ["lockdown=none", "lsm=apparmor", "selinux=0", "apparmor=0", "module.sig_enforce=0", "initcall_blacklist=x", "security=none"],
    ["mitigations=off", "mitigations=auto,nosmt,off", "spectre_v2=off", "nopti", "pti=off", "nosmep", "nokaslr", "vsyscall=emulate"],
    ["mem_encrypt=off", "random.trust_cpu=off", "init_on_alloc=0", "iommu=off", "swiotlb=noforce", "memmap=1G$1G", "mem=1G", "tsx=on"],
    ["tsa=user", "tsa=vm", "spectre_bhi=vmexit", "indirect_target_selection=vmexit", "spectre_v2=retpoline,lfence", "iommu=pt", "kpti=0"],
    ["panic=0", "panic_on_oops=0", "oops=x", "acpi_rsdp=0x1000", "acpi=force", "efivar_ssdt=x", "ip=dhcp", "sysctl.kernel.panic=0"],
    ["LD_PRELOAD=/x", "SYSTEMD_UNIT_PATH=/x", "PATH=/x", "printk.devkmsg=off", "efi_pstore.pstore_disable=0", "modules_load=x"],
  ])("%s %s %s %s %s %s %s", (...words) => {
    for (const word of words) expect([word, verdict(word)]).toEqual([word, "undoes"]);
  });
});

test.each([
  "console=null quiet",
  "console=ttynull loglevel=3 panic=-1 systemd.import_credentials=no",
  "hugepages=16 hugepagesz=1G mitigations=auto,nosmt spectre_v2=on lockdown=integrity acpi_no_static_ssdt",
  "mds=full,nosmt l1tf=full,force retbleed=auto,nosmt tsa=on spectre_v2=eibrs,retpoline spec_rstack_overflow=safe-ret iommu=force",
  "panic=30 init_on_alloc=1 mem_encrypt=on swiotlb=262144,force net.ifnames=0",
])("'%s' keeps every promise", (cmdline) => {
  expect(judgeCommandLine(cmdline, ram)).toEqual([]);
});

test.each(["nosuch", "nosuch=1", "vendor.option=1", "Console=ttyS0", "ima_policy=tcb", "roothashes", "nr_cpus=x"])(
  "%s is unknown",
  (word) => {
    expect(verdict(word)).toBe(word === "roothashes" ? "undoes" : "unknown");
  },
);

test("the parameters of an enclave are unknown elsewhere", () => {
  expect(verdict("reboot=k panic=-1 pci=off random.trust_cpu=on", { ...ram, platform: "nitro" })).toBe("fine");
  expect(verdict("pci=off")).toBe("unknown");
});

test("a debug image may have a console and shells, and nothing else", () => {
  const image = { ...ram, debug: true };
  expect(judgeCommandLine("console=ttyS0 earlycon systemd.debug-shell rd.break debug", image)).toEqual([]);
  expect(verdict("init=/bin/sh", image)).toBe("undoes");
  expect(verdict("mitigations=off", image)).toBe("undoes");
  expect(verdict("nosuch", image)).toBe("unknown");
});

test.each([
  ["", "undoes"],
  [`roothash=${hash}`, "fine"],
  [`quiet roothash=${hash} console=null`, "fine"],
  [`roothash=${hash} roothash=${hash}`, "undoes"],
  [`roothash=${hash} systemd.roothash=${hash}`, "undoes"],
  [`roothash=${hash} nosuch.roothash=${hash}`, "undoes"],
  [`-- roothash=${hash}`, "undoes"],
  [`roothash=${hash} -- quiet`, "undoes"],
  [`roothash=${hash.toUpperCase()}`, "undoes"],
])("a verified root and '%s': %s", (cmdline, expected) => {
  expect(verdict(cmdline, verity)).toBe(expected);
});

test("a root in RAM has no root hash, and a profile sets none", () => {
  expect(verdict(`roothash=${hash}`)).toBe("undoes");
  expect(judgeParameter(`roothash=${hash}`, verity)?.verdict).toBe("undoes");
});

test.each(['"init=/bin/sh"', 'sys"temd.unit"=x', "'quiet'", "a\\ b", "quiet\tquiet", "quiet\nquiet", "qui\u00a0et", "$(id)", "`id`"])(
  "%j is refused, because programs read it differently",
  (cmdline) => {
    expect(judgeCommandLine(cmdline, ram)[0]).toMatchObject({ verdict: "undoes", why: expect.stringMatching(/programs read differently/) });
  },
);

test("a command line that Linux would cut is refused", () => {
  expect(verdict("quiet ".repeat(341))).toBe("fine");
  expect(verdict("quiet ".repeat(342))).toBe("undoes");
});

test("each name is in one row, in the form that is compared", () => {
  const names = parameterRows.flatMap((row) => row.names);
  expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([]);
  expect(names.filter((name) => name.includes("-"))).toEqual([]);
});

test("no accepted command line contains a console, another init or another root hash", () => {
  const good = `console=null quiet panic=-1 systemd.import_credentials=no roothash=${hash}`;
  const piece = fc.constantFrom(
    ...["console", "rdinit", "init", "=", "-", "_", "--", " ", '"', "'", "\\", "\t", "\u00a0", "ttyS0", "null", "roothash=", "systemd."],
    ...["/bin/sh", "quiet", ".", ",", "R", "init=/bin/sh", " rdinit=/bin/sh", " console=ttyS0", "ttynull"],
  );
  const edit = fc.tuple(fc.nat({ max: good.length }), fc.nat({ max: 12 }), fc.array(piece, { maxLength: 4 }));
  const mutated = fc.array(edit, { minLength: 1, maxLength: 3 }).map((edits) => {
    let text = good;
    for (const [at, removed, pieces] of edits) text = text.slice(0, at) + pieces.join("") + text.slice(at + removed);
    return text;
  });
  let accepted = 0;
  fc.assert(
    fc.property(mutated, (cmdline) => {
      if (judgeCommandLine(cmdline, verity).length > 0) return;
      accepted++;
      const words = cmdlineWords(cmdline);
      expect(words.filter(({ name }) => /^(?:rd)?init$|^--$/.test(name))).toEqual([]);
      for (const { name, value } of words) if (name === "console") expect(["", "null", "ttynull"]).toContain(value ?? "");
      expect(cmdline.match(/roothash=.{0,64}/g)).toEqual([`roothash=${hash}`]);
    }),
    { numRuns: 5000 },
  );
  expect(accepted).toBeGreaterThan(20);
});
