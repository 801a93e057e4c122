#!/bin/sh
# Runs a command with hal's umask: COMMAND...
set -eu
umask 022
exec "$@"
