#!/bin/sh
# Sets owners and modes inside of a root tree: TREE TABLE. A line of TABLE is TYPE MODE OWNER:GROUP PATH.
# Type d makes the directory, type r is recursive. Mode -1 leaves the mode.
set -eu
while read -r type mode owner path; do
	recursive=
	[ "$type" != r ] || recursive=-R
	[ "$type" != d ] || chroot "$1" mkdir -p "$path"
	# The owner first: chown(2) clears the set-user-id bits.
	chroot "$1" chown ${recursive:+"$recursive"} -h "$owner" "$path"
	[ "$mode" = -1 ] || chroot "$1" chmod ${recursive:+"$recursive"} "$mode" "$path"
done <"$2"
