#!/bin/sh
# Copies the account files of a root tree to a directory: TREE DIRECTORY. It runs as root of the namespace: the files
# may be unreadable to the user. No program of the tree runs, and no link is followed: an overlay can contain both.
set -eu
mkdir "$2"
for name in passwd group shadow gshadow; do
	if [ -L "$1/etc" ] || [ -L "$1/etc/$name" ]; then
		echo "/etc/$name of the root tree is a link: remove the link from the overlay" >&2
		exit 1
	fi
	cat "$1/etc/$name" >"$2/$name"
done
