#!/bin/sh
# Set-up hook of mmdebstrap: copies the sources.list that mmdebstrap wrote to $LIST. Fails, so that nothing is fetched.
set -eu
cp "$1/etc/apt/sources.list" "$LIST"
exit 1
