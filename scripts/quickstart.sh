#!/usr/bin/env bash
# Builds a hardened sev-snp image with the embedded debian backend, boots it and shows the proof.
set -eu
cd "$(dirname "$0")/.."
began=$(date +%s)
node dist/main.js build --profile sev-snp --backend debian
node dist/main.js test out/sev-snp
echo
echo "Done in $(( $(date +%s) - began )) s. The image is in out/sev-snp; nothing above needed TEE hardware."
echo
echo "  node dist/main.js run out/sev-snp --print       the QEMU command for an SEV-SNP host"
echo "  node dist/main.js measure out/sev-snp           what the hardware will report"
echo "  node dist/main.js test out/sev-snp --hostile    damage the disk in every way, watch it refuse"
echo "  README.md                                       add a file, a package and a service of your own"
