/**
 * The kernel parameters that hal knows. `judgeCommandLine` reads the rows; it is the only reader. Parameters that no row names are unknown.
 * Sources: Linux Documentation/admin-guide/kernel-parameters.txt, kernel-command-line(7) of systemd.
 */
export interface ParameterRow {
  /** Names with `_` for `-`, because Linux and systemd treat both as equal. A `*` at the end means any rest. */
  readonly names: readonly string[];
  /** The values that keep every promise; a parameter without a value has the value "". Without this key, no value does. */
  readonly fine?: RegExp;
  /** What other values do to the image: the end of a sentence that begins with the parameter. Without this key, they are unknown. */
  readonly undoes?: string;
  /** A debug image may have the parameter with any value. */
  readonly debug?: true;
  /** `fine` applies only to platforms that start an enclave. */
  readonly enclave?: true;
}

const flag = /^$/;
const on = /^(?:|1|on|y|Y|yes|true)$/;
const off = /^(?:0|off|n|N|no|false)$/;
const onOrOff = /^(?:|0|1|on|off|y|n|Y|N|yes|no|true|false)$/;
const number = /^[0-9]+$/;
/**
 * Values that protect against all attackers. `vmexit`, `vm` and `user` protect only against some, and Linux reports `retpoline,lfence` as
 * vulnerable (Linux Documentation/admin-guide/hw-vuln).
 */
const protects =
  /^(?:on|auto|force|full|flush|ibpb|unret|stuff|ibrs|eibrs|retpoline|prctl|seccomp|safe-ret)(?:,(?:nosmt|force|nowarn|ibpb|generic|retpoline))?$/;

const weakensProcessor = "turns off a protection of the processor";
const weakensKernel = "turns off a protection of the kernel";
const toHost = "sends kernel messages to a device of the host";

export const parameterRows: readonly ParameterRow[] = [
  // Which program runs, and from where
  { names: ["init", "rdinit"], undoes: "starts another program than the image's init; only hal can set it" },
  {
    names: [
      "root",
      "root*",
      "ro",
      "rw",
      "usrhash",
      "mount.usr*",
      "nfsroot",
      "nfsrootdebug",
      "resume*",
      "gpt",
      "md",
      "raid",
      "load_ramdisk",
    ],
    undoes: "selects the root file system; only hal can set it",
  },
  { names: ["dm_mod.*", "dm_verity.*", "dm_crypt.*", "dm_integrity.*"], undoes: "changes how the disk is opened; only hal can set it" },
  { names: ["initrd", "initrdmem", "noinitrd", "prompt_ramdisk", "ramdisk_*"], undoes: "replaces the initrd; only hal can set it" },
  { names: ["bootconfig"], undoes: "reads more kernel parameters from a file" },
  { names: ["__"], undoes: "starts the arguments of init, which other programs read as kernel parameters" }, // the word `--`
  { names: ["rd.*"], undoes: "changes early boot, or gives a shell to anyone at the console", debug: true },
  {
    names: ["single", "emergency", "rescue", "s", "S", "_s", "1", "_b", "systemd.unit", "systemd.wants", "systemd.run*"],
    undoes: "gives a shell to anyone at the console, or starts other programs",
    debug: true,
  },
  {
    names: ["systemd.debug_shell", "systemd.default_debug_tty", "systemd.break", "systemd.crash_shell"],
    undoes: "gives a shell to anyone at the console",
    debug: true,
  },
  {
    names: ["systemd.import_credentials"],
    fine: off,
    undoes: "makes systemd accept credentials of the host",
  },
  { names: ["systemd.show_status", "systemd.firstboot", "systemd.gpt_auto", "systemd.getty_auto", "systemd.swap"], fine: off },
  { names: ["systemd.log_level"], fine: /^(?:emerg|alert|crit|err|warning|notice|info|debug|[0-7])$/ },
  { names: ["systemd.unified_cgroup_hierarchy"], fine: on },
  { names: ["systemd.log_target", "systemd.journald.forward_to_*"], undoes: "sends the system's log to the console", debug: true },
  { names: ["systemd.*"], undoes: "changes which units systemd starts, or how" },
  { names: ["luks*", "fstab", "modules_load", "sysctl.*"], undoes: "changes settings of the verified root" },
  // Names without a dot that no part of the kernel knows become the environment of init (init/main.c, unknown_bootoption).
  { names: ["LD_*", "SYSTEMD_*", "GLIBC_TUNABLES", "PATH", "ENV", "BASH_ENV", "IFS", "PS4"], undoes: "changes the environment of init" },

  // What the host sees
  { names: ["console"], fine: /^(?:|null|ttynull)$/, undoes: "gives the console to the host", debug: true },
  { names: ["earlycon", "earlyprintk", "netconsole*", "keep_bootcon", "fbcon", "no_console_suspend"], undoes: toHost, debug: true },
  { names: ["kgdb*", "kdb*"], undoes: "lets the host debug the kernel", debug: true },
  { names: ["ignore_loglevel", "debug", "initcall_debug"], undoes: "writes details of the system to the kernel log", debug: true },
  { names: ["quiet"], fine: flag },
  { names: ["loglevel"], fine: /^[0-7]$/ },
  { names: ["log_buf_len"], fine: /^[0-9]+[KMkm]?$/ },
  { names: ["printk.time"], fine: onOrOff },
  { names: ["printk.devkmsg"], fine: /^on$/, undoes: "stops early boot, which sets it itself" },
  { names: ["erst_disable"], fine: flag },
  { names: ["efi_pstore.pstore_disable"], fine: on, undoes: "gives the kernel log to the host" },
  { names: ["efi_pstore.*", "pstore.*", "ramoops.*", "mtdoops.*"], undoes: "gives the kernel log to the host" },
  { names: ["sysrq_always_enabled"], undoes: "lets the host send commands to the kernel" },
  {
    names: ["crashkernel", "kexec*", "crash_kexec_post_notifiers"],
    undoes: "lets another kernel read the guest's memory",
  },
  { names: ["debugfs"], fine: /^(?:off|no-mount)$/, undoes: "opens the kernel's debug interface" },
  { names: ["ftrace*", "trace_*", "tp_printk*", "kprobe_event"], undoes: "writes data of the kernel to its log" },
  { names: ["slub_debug", "slab_debug", "no_hash_pointers"], undoes: "shows addresses of the kernel" },
  { names: ["hash_pointers"], fine: /^(?:auto|always)$/, undoes: "shows addresses of the kernel" },
  { names: ["ip", "nameserver", "netdev"], undoes: "configures the network before the root is verified" },

  // What the host gives to the guest
  { names: ["acpi"], fine: /^off$/, undoes: "changes how the kernel treats ACPI tables of the host" },
  { names: ["acpi_no_static_ssdt"], fine: flag },
  { names: ["acpi*", "efivar_ssdt"], undoes: "changes how the kernel treats ACPI tables of the host" },
  { names: ["memmap", "mem", "efi_fake_mem", "add_efi_memmap", "pmem"], undoes: "changes the memory map" },
  { names: ["mem_encrypt"], fine: /^on$/, undoes: "turns off memory encryption" },
  {
    names: ["swiotlb"],
    fine: /^(?:[0-9]+(?:,[0-9]+)?(?:,(?:force|any))?|force|any)$/,
    undoes: "turns off the buffers for devices of the host",
  },
  { names: ["iommu"], fine: /^(?:force|strict|nopt)$/, undoes: "weakens the protection of memory from devices" },
  { names: ["iommu.strict"], fine: on, undoes: "weakens the protection of memory from devices" },
  { names: ["iommu.passthrough"], fine: off, undoes: "weakens the protection of memory from devices" },
  { names: ["amd_iommu", "intel_iommu"], fine: /^(?:on|force|strict)$/, undoes: "weakens the protection of memory from devices" },
  { names: ["random.trust_cpu"], fine: on, undoes: "makes the kernel ignore the processor's random numbers, which the host cannot choose" },
  { names: ["random.trust_bootloader"], fine: off, undoes: "makes the kernel trust random numbers of the host" },
  { names: ["nordrand"], undoes: "makes the kernel ignore the processor's random numbers, which the host cannot choose" },
  { names: ["efi"], fine: /^(?:noruntime|disable_early_pci_dma)$/, undoes: "changes how the kernel uses the firmware", debug: true },

  // Protections of the kernel
  { names: ["lockdown"], fine: /^(?:integrity|confidentiality)$/, undoes: weakensKernel },
  { names: ["lsm"], fine: /^(?:[a-z]+,)*lockdown(?:,[a-z]+)*$/, undoes: "turns off lockdown" },
  { names: ["security"], undoes: "turns off other security modules" },
  { names: ["selinux", "apparmor", "enforcing"], fine: on, undoes: "turns off a security module" },
  { names: ["module.sig_enforce"], fine: on, undoes: "lets unsigned modules load" },
  { names: ["initcall_blacklist", "module_blacklist", "modprobe.*"], undoes: "leaves out parts of the kernel" },
  { names: ["panic"], fine: /^(?:-1|[1-9][0-9]{0,2})$/, undoes: "keeps a guest running after a kernel panic" },
  { names: ["oops"], fine: /^panic$/, undoes: "keeps a guest running after a kernel fault" },
  { names: ["panic_on_oops", "panic_on_warn"], fine: /^1$/, undoes: "keeps a guest running after a kernel fault" },
  { names: ["init_on_alloc", "init_on_free", "hardened_usercopy"], fine: on, undoes: weakensKernel },
  { names: ["randomize_kstack_offset", "page_alloc.shuffle", "page_poison"], fine: on, undoes: weakensKernel },
  { names: ["slab_nomerge", "slub_nomerge", "kaslr"], fine: flag },
  { names: ["nokaslr", "norandmaps", "slab_merge", "slub_merge", "no_kstack_erase"], undoes: weakensKernel },
  { names: ["proc_mem.force_override"], fine: /^(?:ptrace|never)$/, undoes: weakensKernel },
  { names: ["ibt"], fine: on, undoes: weakensProcessor },
  { names: ["cfi"], fine: /^(?:auto|kcfi|fineibt)$/, undoes: weakensKernel },
  { names: ["vsyscall"], fine: /^(?:none|xonly)$/, undoes: weakensKernel },
  { names: ["vdso", "vdso32"], fine: /^[01]$/ },
  { names: ["fips"], fine: /^1$/ },

  // Protections of the processor
  { names: ["mitigations"], fine: /^auto(?:,nosmt)?$/, undoes: weakensProcessor },
  {
    names: [
      "spectre_v2",
      "spectre_v2_user",
      "spectre_bhi",
      "spec_store_bypass_disable",
      "spec_rstack_overflow",
      "l1tf",
      "mds",
      "tsx_async_abort",
      "mmio_stale_data",
      "srbds",
      "retbleed",
      "gather_data_sampling",
      "reg_file_data_sampling",
      "indirect_target_selection",
      "tsa",
      "vmscape",
      "l1d_flush",
      "pti",
      "kpti",
    ],
    fine: protects,
    undoes: weakensProcessor,
  },
  {
    names: ["nopti", "nosmep", "nosmap", "noexec", "noexec32", "nospectre_v1", "nospectre_v2", "nospec_store_bypass_disable"],
    undoes: weakensProcessor,
  },
  { names: ["clearcpuid", "setcpuid", "noxsave", "nousershstk", "srso", "no_entry_flush"], undoes: weakensProcessor },
  { names: ["tsx"], fine: /^(?:off|auto)$/, undoes: weakensProcessor },
  { names: ["nosmt"], fine: /^(?:|force)$/ },

  // Harmless settings
  { names: ["hugepages"], fine: number },
  { names: ["hugepagesz", "default_hugepagesz"], fine: /^[0-9]+[KMG]$/ },
  { names: ["transparent_hugepage"], fine: /^(?:always|madvise|never)$/ },
  { names: ["cgroup_no_v1"], fine: /^all$/ },
  { names: ["swapaccount", "psi", "audit", "net.ifnames", "ipv6.disable", "numa_balancing"], fine: onOrOff },
  { names: ["nowatchdog", "no_timer_check", "nomodeset", "noresume", "nohibernate", "no_kvmclock", "no_steal_acc"], fine: flag },
  { names: ["nohz", "skew_tick"], fine: onOrOff },
  { names: ["nr_cpus", "maxcpus"], fine: number },
  { names: ["isolcpus", "nohz_full", "rcu_nocbs"], fine: /^[0-9a-z,:-]+$/ },
  { names: ["idle"], fine: /^(?:poll|halt|nomwait)$/ },
  { names: ["numa"], fine: /^off$/ },
  { names: ["tsc"], fine: /^reliable$/ },
  { names: ["clocksource"], fine: /^(?:tsc|kvm-clock)$/ },
  { names: ["reboot"], fine: /^[a-z](?:,[a-z])*$/ },
  { names: ["nvme_core.io_timeout"], fine: number },
  { names: ["udev.log_level", "udev.log_priority"], fine: /^[a-z0-9]+$/ },
  // An enclave has no PCI bus (AWS Nitro Enclaves).
  { names: ["pci"], fine: off, enclave: true },
];
