#!/bin/sh
# Copies kernel modules to a new directory: SOURCE LIST TARGET. LIST has their paths in SOURCE, one on a line.
set -eu
mkdir -p "$3"
tar --create --directory "$1" --no-recursion --files-from "$2" --owner=0 --group=0 --numeric-owner |
	tar --extract --directory "$3"
# A pipe hides the failure of the first tar.
test "$(find "$3" -type f | wc -l)" -eq "$(wc -l <"$2")"
