#!/usr/bin/env bash
# Runs every check: formatting, types, dead code, generated files, unit tests, then real builds and boots.
# Each run of tests ends with one line for each reason why tests were skipped (test/skipped.ts).
set -eu
cd "$(dirname "$0")/.."
step() { printf '\n== %s\n' "$*"; }

step "format, types, dead code"; npm run --silent check
step "generated files";          npx tsx scripts/generate.ts --check
step "shell";                    shellcheck scripts/*.sh shell/*.sh shell/debian/*.sh .ci/run
step "tests";                    npx vitest run --project unit
step "builds and boots";         npx vitest run --project image --reporter=verbose --reporter=./test/skipped.ts
