#!/bin/sh
# Writes the account files of a directory into a root tree: TREE DIRECTORY. See read-accounts.sh.
set -eu
for name in passwd group shadow gshadow; do
	chroot "$1" sh -c "cat >/etc/$name" <"$2/$name"
done
