#!/usr/bin/env bash
# Every test. The summary is the last thing printed.
set -euo pipefail
cd "$(dirname "$0")/.."
# Snapshots of texts are compared, never rewritten.
export INSTA_UPDATE=no
if cargo nextest --version >/dev/null 2>&1; then
  exec cargo nextest run --locked
fi
echo "cargo-nextest is not there, so cargo runs the tests, without its time limits and groups"
exec cargo test --locked --lib --bins --tests
