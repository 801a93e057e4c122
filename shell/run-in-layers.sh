#!/bin/sh
# Mounts a tree with changes over it (overlayfs) and runs a command: BASE CHANGES AT OPTIONS COMMAND...
# In a mount namespace of its own, the mounts end with the command.
set -eu
umask 022
base=$1
changes=$2
at=$3
options=$4
shift 4
directory=$PWD
# The layers have relative names here: a comma or a colon in a path would end the mount option.
cd "$changes"
mount --bind "$base" base
mount -t overlay overlay -o "lowerdir=base,upperdir=upper,workdir=work$options" "$at"
cd "$directory"
exec "$@"
