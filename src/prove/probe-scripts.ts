/**
 * The two scripts of the probe, for the shell of Debian's busybox-static. They only report facts and attempts; `checks/` on the host
 * evaluates them. `probeScript` defines their settings as variables before them.
 */

/**
 * The first process of the guest. It copies the probe to a tmpfs, because switch_root deletes the initramfs, starts the observer in the
 * background and executes the init of the image. KEEP_TOOLS=1 copies the programs of early boot for the observer, because they have dmsetup.
 */
export const wrapperScript = `
busybox=/hal-probe/busybox
home=/hal-probe/ram
$busybox mkdir -p $home
$busybox mount -t tmpfs -o mode=700 hal-probe $home
$busybox mkdir -p $home/bin $home/dev $home/proc $home/sys $home/tools
$busybox cp $busybox /hal-probe/observe $home/
$busybox chroot $home /busybox --install -s /bin
if [ "$KEEP_TOOLS" = 1 ]; then
  for directory in bin sbin lib lib64 usr; do
    if [ -e /$directory ] || [ -L /$directory ]; then $busybox cp -a /$directory $home/tools/; fi
  done
  $busybox rm -rf $home/tools/lib/modules $home/tools/usr/lib/modules
  $busybox mkdir -p $home/tools/dev
  $busybox mount -t devtmpfs dev $home/tools/dev
fi
$busybox mount -t proc proc $home/proc
$busybox mount -t sysfs sys $home/sys
$busybox mount -t devtmpfs dev $home/dev
# A shell opens /dev/null for background commands. At this time only the probe's own root has it.
$busybox chroot $home /busybox sh -c '/busybox sh /observe >/dev/null 2>&1 &'
exec "$ORIGINAL_INIT" "$@"
`;

/**
 * Waits until startup is complete, reports facts as `key=value` lines to the second serial port, attempts what the image must refuse, writes
 * the marker, and powers off.
 */
export const observerScript = String.raw`
PATH=/bin
export PATH
root=/proc/1/root
exec 0<>/dev/ttyS1 1>&0
stty -F /dev/ttyS1 115200 raw -echo
report() { printf '%s=%s\n' "$1" "$2"; }
report_lines() { while IFS= read -r line; do report "$1" "$line"; done; }
now() { cut -d' ' -f1 /proc/uptime; }
# attempt NAME COMMAND...: runs a command that must fail, and reports its result.
attempt() {
  name=$1
  shift
  if message=$("$@" 2>&1); then report attempt "$name|allowed|$message"; else report attempt "$name|refused|$(printf '%s' "$message" | tr '\n' ' ')"; fi
}
init_name() { tr '\0' '\n' </proc/1/cmdline | head -n 1; }

report probe 1
report stage early
while :; do
  name=$(init_name)
  case "$name" in
  init | systemd | */init | */systemd) break ;;
  esac
  sleep 0.2
done
report stage init
report init "$name"
report init-at "$(now)"
rm -f $root/hal-probe/busybox $root/hal-probe/observe $root/hal-probe/init

SYSTEMD_IGNORE_CHROOT=1
export SYSTEMD_IGNORE_CHROOT
settled=0
deadline=$(($(cut -d. -f1 /proc/uptime) + READY_SECONDS))
state=timeout
while [ "$(cut -d. -f1 /proc/uptime)" -lt $deadline ]; do
  case "$INIT" in
  systemd)
    state=$(timeout "$READY_SECONDS" chroot $root systemctl is-system-running --wait 2>/dev/null)
    case "$state" in
    running | degraded | maintenance | stopping) break ;;
    esac
    state=timeout
    ;;
  *)
    # BusyBox init has no such command. Startup is complete when no script of /etc/init.d has run for a second.
    if cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\0' '\n' | grep -q '/init\.d/'; then settled=0; else settled=$((settled + 1)); fi
    [ $settled != 1 ] || ready=$(now)
    if [ $settled -ge 5 ]; then
      state=settled
      break
    fi
    ;;
  esac
  sleep 0.25
done
[ "$state" = settled ] || ready=$(now)
report state "$state"
report ready-at "$ready"
report_lines meminfo </proc/meminfo
report probe-kib "$(du -skx / | cut -f1)"
report stage ready

report kernel "$(uname -r)"
report cmdline "$(cat /proc/cmdline)"
report_lines mount </proc/1/mountinfo
report_lines swap </proc/swaps
for family in tcp tcp6 udp udp6 raw raw6; do
  [ ! -e /proc/1/net/$family ] || tail -n +2 /proc/1/net/$family | report_lines $family
done
for device in /sys/block/dm-*; do
  [ -e "$device" ] || continue
  slaves=$(find "$device/slaves" -type l -exec basename {} \; | tr '\n' ' ')
  report dm "$(basename "$device")|$(cat "$device/dev")|$(cat "$device/dm/name")|$(cat "$device/dm/uuid")|$(cat "$device/ro")|$slaves"
done
if [ -x $root/sbin/dmsetup ] || [ -x $root/usr/sbin/dmsetup ]; then
  chroot $root /sbin/dmsetup table 2>/dev/null | report_lines table
elif [ -x /tools/sbin/dmsetup ] || [ -x /tools/usr/sbin/dmsetup ]; then
  chroot /tools /sbin/dmsetup table 2>/dev/null | report_lines table
fi
for block in /sys/class/block/*; do
  [ ! -e "$block/partition" ] || report partition "$(cat "$block/dev")|$(basename "$block")|$(sed -n 's/^PARTNAME=//p' "$block/uevent")"
done
for process in /proc/[0-9]*; do
  exe=$(readlink "$process/exe") || continue # kernel threads have none
  read -r _ _ _ _ _ _ terminal _ <"$process/stat" || continue
  [ "$exe" != /busybox ] || continue
  report process "$process|$terminal|$exe|$(tr '\0' ' ' <"$process/cmdline")"
done
for setting in modules_disabled sysrq; do
  if [ -e /proc/sys/kernel/$setting ]; then report sysctl "$setting=$(cat /proc/sys/kernel/$setting)"; else report sysctl "$setting=none"; fi
done
for file in kernel/security/lockdown module/pstore/parameters/kmsg_bytes; do
  if [ -e $root/sys/$file ]; then report sys "$file=$(cat $root/sys/$file)"; else report sys "$file=none"; fi
done
report_lines console </proc/consoles
for credential in "$root"/run/credentials/@system/*; do
  [ ! -e "$credential" ] || report credential "$(basename "$credential")"
done
for offered in firmware/dmi class/dmi/id firmware/qemu_fw_cfg firmware/efi/efivars; do
  [ -z "$(ls $root/sys/$offered 2>/dev/null)" ] || report offered "/sys/$offered"
done
report machine-id "$(cat $root/etc/machine-id 2>/dev/null)"
if [ "$INIT" = systemd ]; then chroot $root systemctl show-environment 2>/dev/null | report_lines manager; fi
report credentials seen
[ ! -x $root/bin/login ] || report login /bin/login
# Reports whether an account has a password, never its hash.
for accounts in $root/etc/passwd $root/etc/shadow; do
  while IFS=: read -r user hash _; do
    case "$hash" in
    "") report account "$user|empty" ;;
    '!'* | '*'* | x) report account "$user|locked" ;;
    *) report account "$user|password" ;;
    esac
  done <"$accounts"
done
if [ "$INIT" = systemd ]; then
  chroot $root systemctl list-units --state=failed --plain --no-legend --no-pager 2>/dev/null | report_lines failed
fi
report stage facts

# Many processes use the new file system at once: 16 workers, each with 1600 empty files, 256 directories and files of
# 1 MiB. Then everything is read back from the disk.
if [ "$LOAD_FILES" -gt 0 ] && [ -d "$root$RW" ]; then
  load=$root$RW/hal-load
  mkdir -p "$load" /load
  free=$(($(stat -f -c '%a * %S' "$load") / 1048576))
  [ "$LOAD_FILES" -le $((free / 32)) ] || LOAD_FILES=$((free / 32))
  create_files() { for file in $(seq 400); do true >"$load/$1/files$2/$file" || echo "file $1.$2.$file"; done; }
  create_directories() { for name in $(seq 256); do mkdir "$load/$1/directories/$name" || echo "directory $1.$name"; done; }
  load_worker() {
    mkdir -p "$load/$1/directories" "$load/$1/data"
    for part in 1 2 3 4; do
      mkdir "$load/$1/files$part"
      create_files "$1" "$part" &
    done
    create_directories "$1" &
    for file in $(seq "$LOAD_FILES"); do dd if=/dev/urandom of="$load/$1/data/$file" bs=64k count=16 2>/dev/null || echo "data $1.$file"; done
    cat "$load/$1/data/"* | sha256sum >"/load/sum$1"
    wait
  }
  began=$(now)
  for worker in $(seq 16); do load_worker "$worker" & done >/load/errors 2>&1
  wait
  sync
  echo 3 >/proc/sys/vm/drop_caches
  for worker in $(seq 16); do
    cat "$load/$worker/data/"* | sha256sum | cmp -s - "/load/sum$worker" || echo "read $worker" >>/load/errors
  done
  report load "$(find "$load"/*/files* -type f | wc -l)|$(find "$load"/*/directories/* -type d | wc -l)|$(cat "$load"/*/data/* | wc -c)|$(wc -l </load/errors)|$(head -n 1 /load/errors)|$(grep -c ^processor /proc/cpuinfo)"
  report load-seconds "$began $(now)"
  dmesg | grep -iE 'I/O error|INTEGRITY AEAD|(XFS|EXT4).*(error|corrupt|shutdown)' | report_lines disk-error
  rm -rf "$load" /load
fi

# A program on the read-write partition.
if [ -n "$RW" ] && cp /busybox "$root$RW/hal-program"; then
  attempt run-rw chroot $root "$RW/hal-program" true
  rm "$root$RW/hal-program"
fi
attempt write-root touch $root/hal-proof
attempt write-etc touch $root/etc/hal-proof
attempt write-usr touch $root/usr/hal-proof
attempt remount mount -o remount,rw none $root/
attempt write-remounted touch $root/hal-proof
if [ -n "$(awk '$5 == "/" { print $3 }' /proc/1/mountinfo | tail -n 1)" ]; then
  number=$(awk '$5 == "/" { print $3 }' /proc/1/mountinfo | tail -n 1)
  if [ -e "/sys/dev/block/$number" ]; then
    device=/dev/$(sed -n 's/^DEVNAME=//p' "/sys/dev/block/$number/uevent")
    blockdev --setrw "$device"
    attempt write-device dd if=/dev/zero of="$device" bs=4096 seek=1 count=1 conv=fsync
  fi
fi
attempt load-module insmod /observe
report stage attempts

# Write a known text to each encrypted device. The host searches the disk for it.
if [ -n "$RW" ] && [ -d "$root$RW" ]; then
  yes "$MARKER" | head -c 4194304 >"$root$RW/hal-proof" && sync && report marker rw
  sum=$(sha256sum <"$root$RW/hal-proof")
fi
tail -n +2 /proc/swaps | while read -r device _; do
  swapoff "$root$device"
  yes "$MARKER" | head -c 4194304 | dd of="$root$device" bs=4096 seek=16 conv=notrunc,fsync && report marker swap
done
sync
echo 3 >/proc/sys/vm/drop_caches
if [ -n "$TAMPER" ]; then
  file=$root$TAMPER
  # Another process may fail first because the root is damaged. Only the sums of this file count.
  [ "$TAMPER" = "$RW/hal-proof" ] || sum=$(sha256sum <"$file")
  sync
  echo 3 >/proc/sys/vm/drop_caches
  report tamper ready
  read -r _
  echo 3 >/proc/sys/vm/drop_caches
  if again=$(sha256sum <"$file" 2>/dev/null); then
    if [ "$again" = "$sum" ]; then report tamper same; else report tamper different; fi
  else
    report tamper error
  fi
fi
report end ok
sync
sleep 0.5
poweroff -f
`;
