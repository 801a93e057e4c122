#!/bin/sh
# Holds the lock of an image directory. flock(1) runs this script once it has locked FILE, and the kernel releases the
# lock when this process ends. hal never writes to standard input: when hal ends, even by kill -9, the input ends too.
# Arguments: hal's process id, FILE. FILE contains the process id until the lock is released.
set -eu
trap "" INT TERM HUP # a terminal sends these to all of its processes; only hal acts on them
exec 9<>"$2"         # FILE is a descriptor of hal, which hal closes; descriptor 3 holds the lock
echo "$1" >/dev/fd/9
echo locked
cat
: >/dev/fd/9
