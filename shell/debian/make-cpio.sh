#!/bin/sh
# Makes the archive of a root tree as the kernel unpacks it (initramfs buffer format, newc): TREE ARCHIVE LIST.
# Every file in the order of names, with new numbers for inodes and links.
set -eu
cd "$1"
find . -mindepth 1 -print0 | LC_ALL=C sort -z >"$3"
cpio --null --create --format=newc --reproducible --quiet <"$3" >"$2"
