#!/usr/bin/env bash
# Every test. The summary is the last thing printed.
set -euo pipefail
cd "$(dirname "$0")/.."
# Snapshots of texts are compared, never rewritten.
export INSTA_UPDATE=no
# What a test needs is there, or the test fails: nothing is left out in silence.
export SHOPSYNCD_TEST_ALL=yes
# The benchmarks measure elsewhere; here a handful of rows shows that they still work.
for bench in drain import export daemon; do
  BENCH_RUNS=1000 BENCH_PRODUCTS=2000 BENCH_SKUS=1000 BENCH_SHOPS=200 BENCH_SECONDS=1 BENCH_SAMPLES=1 cargo bench --locked --profile dev --bench "$bench"
done
if cargo nextest --version >/dev/null 2>&1; then
  exec cargo nextest run --locked
fi
echo "cargo-nextest is not there, so cargo runs the tests, without its time limits and groups"
exec cargo test --locked --lib --bins --tests
