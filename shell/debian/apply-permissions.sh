#!/bin/sh
# Sets owners and modes in a root tree: TREE TABLE. A line of TABLE is TYPE MODE UID:GID PATH.
# Type d makes the directory, type r is recursive. Mode -1 leaves the mode. No program of the tree runs: an overlay can
# have replaced it.
set -eu
tree=$(realpath "$1")
while read -r type mode owner path; do
	case $(realpath -m "$tree$path")/ in
	"$tree"/*) ;;
	*)
		echo "cannot set the owner of $path: a link of an overlay leads out of the root tree" >&2
		exit 1
		;;
	esac
	recursive=
	[ "$type" != r ] || recursive=-R
	[ "$type" != d ] || mkdir -p "$tree$path"
	# The owner first: chown(2) clears the set-user-id bits.
	chown ${recursive:+"$recursive"} -h "$owner" "$tree$path"
	[ "$mode" = -1 ] || chmod ${recursive:+"$recursive"} "$mode" "$tree$path"
done <"$2"
