/**
 * The probe's two scripts, for the shell of Debian's busybox-static. They only observe and try; what is right is decided
 * outside (expect.ts). Their settings are variables that `probeArchive` writes before them.
 */

/**
 * PID 1 for a moment: puts itself on a tmpfs of its own (switch_root deletes everything else), leaves the observer behind
 * and becomes the image's own init. KEEP_TOOLS=1 keeps the early boot's programs, which have dmsetup, for the observer.
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
# A shell opens /dev/null for what it leaves in the background, and only the probe has one yet.
$busybox chroot $home /busybox sh -c '/busybox sh /observe >/dev/null 2>&1 &'
exec "$ORIGINAL_INIT" "$@"
`;

/** Waits until the image is up, reports, tries what must be refused, writes the marker, powers off. */
export const observerScript = String.raw`
PATH=/bin
export PATH
root=/proc/1/root
exec 0<>/dev/ttyS1 1>&0
stty -F /dev/ttyS1 115200 raw -echo
say() { printf '%s=%s\n' "$1" "$2"; }
each() { while IFS= read -r line; do say "$1" "$line"; done; }
now() { cut -d' ' -f1 /proc/uptime; }
# attempt NAME COMMAND...: reports how a thing that must be refused went.
attempt() {
  name=$1
  shift
  if answer=$("$@" 2>&1); then say attempt "$name|allowed|$answer"; else say attempt "$name|refused|$(printf '%s' "$answer" | tr '\n' ' ')"; fi
}
init_name() { tr '\0' '\n' </proc/1/cmdline | head -n 1; }

say probe 1
say stage early
while :; do
  name=$(init_name)
  case "$name" in
  init | systemd | */init | */systemd) break ;;
  esac
  sleep 0.2
done
say stage init
say init "$name"
say init-at "$(now)"
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
    # BusyBox init has no word for it: ready when its start scripts have been gone for a second.
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
say state "$state"
say ready-at "$ready"
each meminfo </proc/meminfo
say probe-kib "$(du -skx / | cut -f1)"
say stage ready

say kernel "$(uname -r)"
say cmdline "$(cat /proc/cmdline)"
each mount </proc/1/mountinfo
each swap </proc/swaps
for family in tcp tcp6 udp udp6 raw raw6; do
  [ ! -e /proc/1/net/$family ] || tail -n +2 /proc/1/net/$family | each $family
done
for device in /sys/block/dm-*; do
  [ -e "$device" ] || continue
  slaves=$(find "$device/slaves" -type l -exec basename {} \; | tr '\n' ' ')
  say dm "$(basename "$device")|$(cat "$device/dev")|$(cat "$device/dm/name")|$(cat "$device/dm/uuid")|$(cat "$device/ro")|$slaves"
done
if [ -x $root/sbin/dmsetup ] || [ -x $root/usr/sbin/dmsetup ]; then
  chroot $root /sbin/dmsetup table 2>/dev/null | each table
elif [ -x /tools/sbin/dmsetup ] || [ -x /tools/usr/sbin/dmsetup ]; then
  chroot /tools /sbin/dmsetup table 2>/dev/null | each table
fi
for block in /sys/class/block/*; do
  [ ! -e "$block/partition" ] || say partition "$(cat "$block/dev")|$(basename "$block")|$(sed -n 's/^PARTNAME=//p' "$block/uevent")"
done
for process in /proc/[0-9]*; do
  exe=$(readlink "$process/exe") || continue # a kernel thread
  read -r _ _ _ _ _ _ terminal _ <"$process/stat" || continue
  [ "$exe" != /busybox ] || continue
  say process "$process|$terminal|$exe|$(tr '\0' ' ' <"$process/cmdline")"
done
for setting in modules_disabled sysrq; do
  if [ -e /proc/sys/kernel/$setting ]; then say sysctl "$setting=$(cat /proc/sys/kernel/$setting)"; else say sysctl "$setting=none"; fi
done
for file in kernel/security/lockdown module/pstore/parameters/kmsg_bytes; do
  if [ -e $root/sys/$file ]; then say sys "$file=$(cat $root/sys/$file)"; else say sys "$file=none"; fi
done
each console </proc/consoles
for credential in "$root"/run/credentials/@system/*; do
  [ ! -e "$credential" ] || say credential "$(basename "$credential")"
done
for offered in firmware/dmi class/dmi/id firmware/qemu_fw_cfg firmware/efi/efivars; do
  [ -z "$(ls $root/sys/$offered 2>/dev/null)" ] || say offered "/sys/$offered"
done
say machine-id "$(cat $root/etc/machine-id 2>/dev/null)"
if [ "$INIT" = systemd ]; then chroot $root systemctl show-environment 2>/dev/null | each manager; fi
say credentials seen
[ ! -x $root/bin/login ] || say login /bin/login
# Whether an account can log in by password: the hash itself stays inside.
for accounts in $root/etc/passwd $root/etc/shadow; do
  while IFS=: read -r user hash _; do
    case "$hash" in
    "") say account "$user|empty" ;;
    '!'* | '*'* | x) say account "$user|locked" ;;
    *) say account "$user|password" ;;
    esac
  done <"$accounts"
done
if [ "$INIT" = systemd ]; then
  chroot $root systemctl list-units --state=failed --plain --no-legend --no-pager 2>/dev/null | each failed
fi
say stage facts

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
say stage attempts

# A known text through every mapping: outside, nobody may find it on the disk.
if [ -n "$RW" ] && [ -d "$root$RW" ]; then
  yes "$MARKER" | head -c 4194304 >"$root$RW/hal-proof" && sync && say marker rw
  sum=$(sha256sum <"$root$RW/hal-proof")
fi
tail -n +2 /proc/swaps | while read -r device _; do
  swapoff "$root$device"
  yes "$MARKER" | head -c 4194304 | dd of="$root$device" bs=4096 seek=16 conv=notrunc,fsync && say marker swap
done
sync
echo 3 >/proc/sys/vm/drop_caches
if [ -n "$TAMPER" ]; then
  victim=$root$TAMPER
  # PID 1's own pages may be gone with the root: only what is read here counts.
  [ "$TAMPER" = "$RW/hal-proof" ] || sum=$(sha256sum <"$victim")
  sync
  echo 3 >/proc/sys/vm/drop_caches
  say tamper ready
  read -r _
  echo 3 >/proc/sys/vm/drop_caches
  if again=$(sha256sum <"$victim" 2>/dev/null); then
    if [ "$again" = "$sum" ]; then say tamper same; else say tamper different; fi
  else
    say tamper error
  fi
fi
say end ok
sync
sleep 0.5
poweroff -f
`;
