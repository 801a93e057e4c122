#!/bin/sh
# Extract hook of mmdebstrap: gives dpkg the filters of $FILTERS, and removes what the first extraction unpacked
# against them. With mmdebstrap's own option for filters, each extraction would take twice the time.
set -eu
printf %s "$FILTERS" >"$1/etc/dpkg/dpkg.cfg.d/hal"
cd "$1/usr/share"
rm -rf man info locale lintian bash-completion zsh
find doc ! -type d ! -name copyright -delete
find doc -type d -empty -delete
