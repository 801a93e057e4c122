#!/bin/sh
# Unpacks packages into one directory and runs nothing of them: DIRECTORY DEB...
set -eu
directory=$1
shift
for deb; do
	dpkg-deb --extract "$deb" "$directory"
done
