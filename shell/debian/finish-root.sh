#!/bin/sh
# Makes the root tree the same in every build: TREE EPOCH. The tree's own programs clean it, the host's set the times.
set -eu
chroot "$1" /bin/sh -c "$(cat "$(dirname "$0")/clean-root.sh")"
find "$1" -exec touch --no-dereference --date="@$2" {} +
