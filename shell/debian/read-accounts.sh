#!/bin/sh
# Copies the account files of a root tree to a directory: TREE DIRECTORY. The tree's own programs read them, as root of
# the namespace: the files may be links, or unreadable to the user.
set -eu
for name in passwd group shadow gshadow; do
	chroot "$1" cat "/etc/$name" >"$2/$name"
done
