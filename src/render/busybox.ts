/** The BusyBox applets that init of the initramfs runs, with the BusyBox options that each needs. */
const table: Readonly<Record<string, readonly string[]>> = {
  sh: ["ASH", "ASH_ECHO", "ASH_TEST"],
  cat: ["CAT"],
  cmp: ["CMP"],
  cp: ["CP"],
  dd: ["DD", "FEATURE_DD_IBS_OBS"],
  grep: ["GREP"],
  head: ["HEAD", "FEATURE_FANCY_HEAD"],
  hexdump: ["HEXDUMP"],
  insmod: ["INSMOD"],
  mkdir: ["MKDIR"],
  mkswap: ["MKSWAP"],
  mount: ["MOUNT", "FEATURE_MOUNT_FLAGS"],
  poweroff: ["POWEROFF"],
  readlink: ["READLINK", "FEATURE_READLINK_FOLLOW"],
  rm: ["RM"],
  sleep: ["SLEEP", "FEATURE_FANCY_SLEEP"],
  swapon: ["SWAPON"],
  switch_root: ["SWITCH_ROOT"],
  umount: ["UMOUNT"],
  wc: ["WC"],
};

export const applets: readonly string[] = Object.keys(table);
export const busyboxOptions: readonly string[] = Object.values(table).flat();
