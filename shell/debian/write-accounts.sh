#!/bin/sh
# Writes the account files of a directory into a root tree: TREE DIRECTORY. See read-accounts.sh, which runs before it.
set -eu
for name in passwd group shadow gshadow; do
	cat "$2/$name" >"$1/etc/$name"
done
