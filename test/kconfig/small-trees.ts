/** A small Buildroot: its toolchain symbols, a choice, a legacy file, headers series and a few packages. */
export const buildrootTree = {
  "Config.in": `
config BR2_x86_64
	bool "x86_64"
config BR2_USE_MMU
	bool
	default y if BR2_x86_64
choice
	prompt "Flavour"
	default BR2_FLAVOUR_NEW if BR2_FLAVOUR_OLD # legacy
config BR2_FLAVOUR_PLAIN
	bool "plain"
config BR2_FLAVOUR_NEW
	bool "new"
endchoice
source "toolchain/Config.in"
source "system/Config.in"
source "package/Config.in"
source "Config.in.legacy"
`,
  "toolchain/Config.in": `
config BR2_LINUX_KERNEL
	bool "Linux Kernel"
if BR2_LINUX_KERNEL
choice
	prompt "Kernel version"
config BR2_LINUX_KERNEL_LATEST_VERSION
	bool "Latest version"
config BR2_LINUX_KERNEL_CUSTOM_VERSION
	bool "Custom version"
config BR2_LINUX_KERNEL_CUSTOM_GIT
	bool "Custom Git repository"
endchoice
config BR2_LINUX_KERNEL_CUSTOM_VERSION_VALUE
	string "Kernel version"
	depends on BR2_LINUX_KERNEL_CUSTOM_VERSION
config BR2_KERNEL_HEADERS_AS_KERNEL
	bool "Same as kernel being built"
endif
choice
	bool "Custom kernel headers series"
	default BR2_PACKAGE_HOST_LINUX_HEADERS_CUSTOM_REALLY_OLD
	depends on BR2_KERNEL_HEADERS_AS_KERNEL && !BR2_LINUX_KERNEL_LATEST_VERSION
config BR2_PACKAGE_HOST_LINUX_HEADERS_CUSTOM_6_12
	bool "6.12.x or later"
	select BR2_TOOLCHAIN_HEADERS_AT_LEAST_6_12
config BR2_PACKAGE_HOST_LINUX_HEADERS_CUSTOM_5_10
	bool "5.10.x"
	select BR2_TOOLCHAIN_HEADERS_AT_LEAST_5_10
config BR2_PACKAGE_HOST_LINUX_HEADERS_CUSTOM_REALLY_OLD
	bool "2.6.x"
endchoice
config BR2_TOOLCHAIN_HEADERS_AT_LEAST_6_12
	bool
	select BR2_TOOLCHAIN_HEADERS_AT_LEAST_5_10
config BR2_TOOLCHAIN_HEADERS_AT_LEAST_5_10
	bool
choice
	prompt "C library"
	default BR2_TOOLCHAIN_BUILDROOT_GLIBC
	default BR2_TOOLCHAIN_BUILDROOT_UCLIBC
config BR2_TOOLCHAIN_BUILDROOT_GLIBC
	bool "glibc"
	depends on BR2_TOOLCHAIN_HEADERS_AT_LEAST_5_10
	select BR2_TOOLCHAIN_USES_GLIBC
config BR2_TOOLCHAIN_BUILDROOT_UCLIBC
	bool "uClibc-ng"
	select BR2_TOOLCHAIN_USES_UCLIBC
endchoice
config BR2_TOOLCHAIN_USES_GLIBC
	bool
	select BR2_USE_WCHAR
config BR2_TOOLCHAIN_USES_UCLIBC
	bool
config BR2_TOOLCHAIN_BUILDROOT_WCHAR
	bool "Enable WCHAR support"
	depends on BR2_TOOLCHAIN_USES_UCLIBC
	select BR2_USE_WCHAR
config BR2_USE_WCHAR
	bool
config BR2_SSP
	bool
	default y if BR2_TOOLCHAIN_USES_GLIBC
`,
  "system/Config.in": `
menu "System configuration"
choice
	prompt "Init system"
	default BR2_INIT_BUSYBOX
config BR2_INIT_BUSYBOX
	bool "BusyBox"
	select BR2_PACKAGE_BUSYBOX
config BR2_INIT_SYSTEMD
	bool "systemd"
	depends on BR2_USE_MMU
	depends on BR2_TOOLCHAIN_USES_GLIBC
config BR2_INIT_NONE
	bool "None"
endchoice
config BR2_TARGET_GENERIC_HOSTNAME
	string "System hostname"
	default "buildroot"
config BR2_ROOTFS_OVERLAY
	string "Root filesystem overlay directories"
config BR2_TARGET_GENERIC_GETTY_TERM
	string "TERM"
	depends on BR2_INIT_BUSYBOX || BR2_INIT_NONE
config BR2_JLEVEL
	int "jobs"
	default 0
	range 0 64
config BR2_TEXT_BASE
	hex "text base"
	default 0x1000
	range 0x100 0xffff
config BR2_SWAP_MB
	int "swap"
	range BR2_JLEVEL 4096 if BR2_USE_MMU
endmenu
`,
  "package/Config.in": `
config BR2_PACKAGE_BUSYBOX
	bool "busybox"
	default y
config BR2_PACKAGE_BUSYBOX_SHOW_OTHERS
	bool "Show packages that are also provided by busybox"
	depends on BR2_PACKAGE_BUSYBOX
menu "Interpreters"
	visible if BR2_USE_MMU
config BR2_PACKAGE_PYTHON3
	bool "python3"
	depends on BR2_USE_WCHAR # core
	select BR2_PACKAGE_LIBFFI
if BR2_PACKAGE_PYTHON3
config BR2_PACKAGE_PYTHON3_XZ
	bool "xz"
config BR2_PACKAGE_PYTHON_PIP
	bool "pip"
endif
endmenu
config BR2_PACKAGE_LIBFFI
	bool "libffi"
config BR2_PACKAGE_LIBGPGME
	bool "libgpgme"
config BR2_PACKAGE_BASH
	bool "bash"
	depends on BR2_PACKAGE_BUSYBOX_SHOW_OTHERS
config BR2_PACKAGE_RUNC
	bool "runc"
	depends on !BR2_TOOLCHAIN_USES_UCLIBC
config BR2_PACKAGE_DOCKER_ENGINE
	bool "docker-engine"
	depends on BR2_x86_64 || BR2_aarch64
	depends on BR2_TOOLCHAIN_HEADERS_AT_LEAST_5_10
config BR2_PACKAGE_ARM_TOOL
	bool "arm-tool"
	depends on BR2_arm || BR2_aarch64
config BR2_PACKAGE_SECCOMP_ARCH_SUPPORTS
	bool
	default y if BR2_aarch64
config BR2_PACKAGE_NEEDS_SECCOMP
	bool "needs seccomp"
	depends on BR2_PACKAGE_SECCOMP_ARCH_SUPPORTS
config BR2_PACKAGE_NEW_NAME
	bool "new-name"
config BR2_NEW_STRING
	string "new string"
	default BR2_OLD_STRING if BR2_OLD_STRING != "" # legacy
`,
  "Config.in.legacy": `
config BR2_LEGACY
	bool
menu "Legacy config options"
config BR2_PACKAGE_OLD_NAME
	bool "old-name has been renamed"
	select BR2_LEGACY
	select BR2_PACKAGE_NEW_NAME
	help
	  The old-name package is now called new-name.
config BR2_FLAVOUR_OLD
	bool "the old flavour has been renamed"
	select BR2_LEGACY
config BR2_PACKAGE_GONE
	bool "gone was removed"
	select BR2_LEGACY
	help
	  gone had no users.
config BR2_PACKAGE_SEE_HELP
	bool "see-help was removed"
	select BR2_LEGACY
	help
	  Use BR2_PACKAGE_LIBFFI for the same.
config BR2_OLD_STRING
	string "the old string has been renamed"
	help
	  It has another name now.
config BR2_OLD_STRING_WRAP
	bool
	default y if BR2_OLD_STRING != ""
	select BR2_LEGACY
endmenu
`,
} as const;

/** The resolved configuration of that tree with BR2_x86_64 alone: uClibc, because no line sets newer headers. */
export const uclibcConfig: Readonly<Record<string, string>> = {
  BR2_x86_64: "y",
  BR2_USE_MMU: "y",
  BR2_TOOLCHAIN_BUILDROOT_UCLIBC: "y",
  BR2_TOOLCHAIN_USES_UCLIBC: "y",
  BR2_INIT_BUSYBOX: "y",
  BR2_TARGET_GENERIC_HOSTNAME: '"buildroot"',
  BR2_ROOTFS_OVERLAY: '""',
  BR2_TARGET_GENERIC_GETTY_TERM: '""',
  BR2_JLEVEL: "0",
  BR2_TEXT_BASE: "0x1000",
  BR2_SWAP_MB: "0",
  BR2_PACKAGE_BUSYBOX: "y",
  BR2_NEW_STRING: '""',
};

/** A small Linux kernel. */
export const linuxTree = {
  Kconfig: `
config MODULES
	bool "Enable loadable module support"
	modules
config 64BIT
	def_bool y
config CC_HAS_FANCY
	def_bool $(cc-option,-ffancy)
config FANCY
	bool "fancy"
	depends on CC_HAS_FANCY && $(cc-option,-fother)
config PCI
	bool "PCI support"
source "drivers/*/Kconfig"
`,
  "drivers/md/Kconfig": `
menuconfig MD
	bool "Multiple devices driver support (RAID and LVM)"
if MD
config BLK_DEV_DM
	tristate "Device mapper support"
config DM_VERITY
	tristate "Verity target support"
	depends on BLK_DEV_DM
	select CRYPTO_SHA256
config DM_CRYPT
	tristate "Crypt target support"
	depends on BLK_DEV_DM
endif
`,
  "drivers/char/Kconfig": `
config CRYPTO_SHA256
	tristate
config TCG_TPM
	tristate "TPM Hardware Support"
	depends on PCI
config TCG_SVSM
	tristate "SNP SVSM vTPM interface"
	depends on TCG_TPM && SEV_GUEST
config SEV_GUEST
	tristate "AMD SEV Guest driver"
	depends on AMD_MEM_ENCRYPT
config AMD_MEM_ENCRYPT
	bool "AMD Secure Memory Encryption (SME) support"
	depends on 64BIT
config NR_CPUS
	int "Maximum number of CPUs"
	range 2 512 if 64BIT
	range 2 8
	default 64
config CMDLINE
	string "Built-in kernel command string"
config PHYSICAL_START
	hex "Physical address"
	default 0x1000000
choice
	prompt "Kernel compression mode"
	default KERNEL_GZIP
config KERNEL_GZIP
	bool "Gzip"
config KERNEL_ZSTD
	bool "ZSTD"
endchoice
`,
} as const;

export const kernelConfig: Readonly<Record<string, string>> = {
  CONFIG_MODULES: "y",
  CONFIG_64BIT: "y",
  CONFIG_PCI: "y",
  CONFIG_NR_CPUS: "64",
  CONFIG_CMDLINE: '""',
  CONFIG_PHYSICAL_START: "0x1000000",
  CONFIG_KERNEL_GZIP: "y",
};
