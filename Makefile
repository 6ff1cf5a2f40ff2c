# Two commands: `make demo` shows the whole thing with pretend marketplaces, `make test` checks everything.
# Both say what they miss and install it (Debian: as root or with sudo), and fail when anything fails. `make bench` measures,
# `make deb` makes the Debian package.

SHELL := /bin/bash
export CARGO_TERM_PROGRESS_WHEN ?= never

BENCHES := --bench drain --bench schedules --bench import --bench export --bench daemon

.PHONY: demo test bench deb

demo:
	@tests/needs.sh demo
	@test -e target/debug/shopsyncd || echo "building; the first time takes a few minutes"
	cargo build --locked
	cargo run --locked --quiet -- demo $(DEMO_ARGS)

test:
	@tests/needs.sh test
	cargo fmt --all --check
	cargo clippy --locked --all-targets -- -D warnings
	cargo clippy --locked --no-default-features -- -D warnings
	cargo build --locked --no-default-features
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps
	if command -v cargo-deny >/dev/null; then cargo deny --locked check bans licenses sources; fi
	tests/postgres.sh tests/all.sh

bench:
	@tests/needs.sh bench
	cargo bench --locked $(BENCHES) --no-run
	tests/postgres.sh cargo bench --locked $(BENCHES)

deb:
	@tests/needs.sh deb
	packaging/deb.sh
