#!/bin/sh
# Runs a command in a root of its own: ROOT DIRECTORY [TARGET SOURCE]... -- COMMAND...
# The root is a tmpfs on ROOT. It has everything of this machine's root, and each SOURCE at its TARGET. No mount
# point needs to exist on the machine. Runs in a mount and process namespace of its own.
set -eu
umask 022
root=$1
directory=$2
shift 2
mount -t tmpfs -o mode=755 tmpfs "$root"
mount --make-unbindable "$root"
while [ "$1" != -- ]; do
	mkdir -p "$root$1"
	mount --rbind "$2" "$root$1"
	shift 2
done
shift
for entry in /* /.[!.]*; do
	if [ -e "$root$entry" ]; then continue; fi
	if [ -L "$entry" ]; then
		cp -P "$entry" "$root$entry"
	elif [ -d "$entry" ]; then
		mkdir "$root$entry"
		mount --rbind "$entry" "$root$entry"
	elif [ -f "$entry" ]; then
		: >"$root$entry"
		mount --bind "$entry" "$root$entry"
	fi
done
mkdir "$root/.outside"
pivot_root "$root" "$root/.outside"
cd "$directory"
unset OLDPWD
umount --lazy /.outside
rmdir /.outside
# A container may hide parts of its /proc, and then refuses a new one. The command sees the container's /proc then.
mount -t proc proc /proc 2>/dev/null || :
# This shell stays process 1: after an interrupt, make ends itself with a signal, and process 1 does not die of it.
status=0
"$@" || status=$?
exit "$status"
