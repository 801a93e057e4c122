#!/bin/sh
# Copies the files and links of an overlay, as root's, over a root tree: OVERLAY TREE ARCHIVE.
# The tree's own tar unpacks them inside of the tree: an absolute link there leads to the tree's files and never to the
# host's. Directories of the tree, and links to directories, stay what they are.
set -eu
cd "$1"
find . ! -type d -print0 | LC_ALL=C sort -z >"$3.list"
tar --create --file "$3" --null --no-recursion --files-from "$3.list" --owner=0 --group=0 --numeric-owner
chroot "$2" tar -x -p -f - <"$3"
