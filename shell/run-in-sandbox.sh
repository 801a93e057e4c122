#!/bin/sh
# Runs a command that sees the host's tools, some directories, and nothing else of this machine:
# IDS BASE NETWORK DIRECTORY [KIND SOURCE TARGET]... -- COMMAND...
#
# IDS: `many` makes the command root of 65536 ids, which are the ids from BASE on outside. With BASE 0, they are those
# of the namespace that this script runs in. `one` makes it an ordinary user, who is the caller outside.
# NETWORK: `host`, or `none`.
# KIND: `ro` or `rw` mounts SOURCE at TARGET. `overlay` mounts SOURCE at TARGET, with changes above it; the directory of
# the changes is the SOURCE of an earlier `changes`.
#
# The script runs as root of a mount and process namespace of its own. The command runs in a second user and mount
# namespace. There, all mounts of this script are locked (mount_namespaces(7)): even root cannot remove or change them.
set -eu
umask 022
ids=$1
base=$2
network=$3
directory=$4
shift 4

# No input of a build is below /sys, so the new root can cover it. No mount point needs to exist on the machine.
root=/sys
mount -t tmpfs -o mode=755,nosuid,nodev tmpfs "$root"
mount --make-unbindable "$root"

# Mounts a file or a directory SOURCE at TARGET, without the right to write. A mount point below it keeps its own
# options, so each one is remounted. /proc/self/mountinfo has `\040` for a space, and printf wants `\0040` (proc(5)).
mount_read_only() {
	if [ -d "$1" ]; then
		mkdir -p "$root$2"
	elif [ ! -e "$root$2" ]; then # an earlier mount can contain the file, and a link to a file of this machine
		mkdir -p "$root$(dirname "$2")"
		: >"$root$2"
	fi
	mount --rbind "$1" "$root$2"
	mount -o remount,bind,ro "$root$2"
	while read -r _ _ _ _ point _; do
		case $point in *\\*) point=$(printf %b "$(printf %s "$point" | sed 's/\\/\\0/g')") ;; esac
		case $point in "$root$2"/*) mount -o remount,bind,ro "$point" ;; esac
	done </proc/self/mountinfo
}

# The host's tools.
for entry in usr bin sbin lib lib32 lib64 libx32; do
	if [ -L "/$entry" ]; then
		cp -P "/$entry" "$root/$entry"
	elif [ -d "/$entry" ]; then
		mount_read_only "/$entry" "/$entry"
	fi
done
mkdir -p "$root/etc/apt/apt.conf.d" # apt warns without it
for entry in alternatives ssl/certs pki/ca-trust pki/tls/certs; do
	[ ! -d "/etc/$entry" ] || mount_read_only "/etc/$entry" "/etc/$entry"
done
for entry in hosts ld.so.cache nsswitch.conf resolv.conf; do
	[ ! -e "/etc/$entry" ] || cp "/etc/$entry" "$root/etc/$entry"
done
echo 'root:x:0:0::/:/bin/sh
build:x:1000:1000::/tmp:/bin/sh
nobody:x:65534:65534::/:/bin/false' >"$root/etc/passwd"
echo 'root:x:0:
build:x:1000:
nogroup:x:65534:' >"$root/etc/group"

mkdir "$root/dev" "$root/proc" "$root/run" "$root/tmp" "$root/var" "$root/.outside"
ln -s ../tmp "$root/var/tmp"
mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs "$root/tmp"
mkdir "$root/dev/shm"
mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs "$root/dev/shm"
for entry in full null random tty urandom zero; do
	: >"$root/dev/$entry"
	mount --bind "/dev/$entry" "$root/dev/$entry"
done
ln -s /proc/self/fd "$root/dev/fd"
ln -s fd/0 "$root/dev/stdin"
ln -s fd/1 "$root/dev/stdout"
ln -s fd/2 "$root/dev/stderr"
# A container may hide parts of its /proc, and then refuses a new one. The command sees the container's /proc then.
mount -t proc -o nosuid,nodev,noexec proc "$root/proc" 2>/dev/null || mount --rbind /proc "$root/proc"
# Without capabilities, the host's root still owns the settings of the kernel (proc_sys(5)).
if [ "$ids" = one ]; then
	for entry in acpi bus driver dynamic_debug fs irq mtrr scsi sys sysrq-trigger; do
		[ -e "/proc/$entry" ] || continue
		mount --bind "/proc/$entry" "$root/proc/$entry"
		mount -o remount,bind,ro "$root/proc/$entry"
	done
fi

# The directories of the build. The ones that the command writes to must belong to its root.
while [ "$1" != -- ]; do
	case $1 in
	changes) changes=$2 ;;
	ro) mount_read_only "$2" "$3" ;;
	rw)
		[ "$base" = 0 ] || chown "$base:$base" "$2"
		mkdir -p "$root$3"
		mount --bind "$2" "$root$3"
		;;
	overlay)
		mkdir -p "$root$3"
		[ "$base" = 0 ] || chown "$base:$base" "$changes/upper"
		# The layers have relative names here: a comma or a colon in a path would end the mount option. Only the
		# host's root can use the attributes of a plain overlay (Documentation/filesystems/overlayfs.rst).
		cd "$changes"
		mount --bind "$2" base
		[ "$base" != 0 ] && options= || options=,userxattr
		mount -t overlay overlay -o "lowerdir=base,upperdir=upper,workdir=work$options" "$root$3"
		cd /
		;;
	esac
	shift 3
done
shift

# The second namespace gets its ids from newuidmap(1), which permits those that these files name.
for kind in uid gid; do
	while read -r inside _ count; do
		[ "$inside $count" = "0 1" ] || echo "root:$inside:$count"
	done <"/proc/self/${kind}_map" >"$root/etc/sub$kind"
done
mount -o remount,bind,ro "$root"
pivot_root "$root" "$root/.outside"
cd "$directory"
unset OLDPWD
umount --lazy /.outside

set -- setpriv --no-new-privs -- "$@"
case $ids in
one) set -- --map-user=1000 --map-group=1000 -- "$@" ;;
many)
	# mmdebstrap mounts /proc in a tree. That takes a process namespace of the same user namespace.
	if [ "$base" = 0 ]; then
		set -- --map-root-user --map-auto --pid --fork --kill-child -- "$@"
	else
		set -- "--map-users=$base,0,65536" "--map-groups=$base,0,65536" --setuid=0 --setgid=0 \
			--pid --fork --kill-child -- "$@"
	fi
	;;
esac
[ "$network" = host ] || set -- --net "$@"
set -- unshare --user --mount --ipc --uts "$@"
# A program with the caller's terminal could type into it (ioctl_tty(2), TIOCSTI). Only the caller's own commands keep it.
if [ ! -t 0 ] && (: </dev/tty) 2>/dev/null; then
	set -- setsid --wait "$@"
fi
# This shell stays process 1: after an interrupt, make ends itself with a signal, and process 1 does not die of it.
status=0
"$@" || status=$?
exit "$status"
