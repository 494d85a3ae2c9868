# make help lists what there is. Everything works from a clean clone on Debian 12 with a Rust toolchain.

export SQLX_OFFLINE ?= true
export RUST_BACKTRACE ?= 0

CARGO ?= cargo
# Where cargo builds; its own variable moves it.
BUILT = $${CARGO_TARGET_DIR:-target}
WORLD = $(BUILT)/debug/umstieg-world

.DEFAULT_GOAL := help
.PHONY: help setup demo test bench fuzz lint format clippy docs check-dependencies sqlx sqlx-check tests

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 28

setup: ## install the servers of the test world (Debian 12, root or sudo)
	@scripts/setup

demo: setup ## show the whole of it working; stays up until Ctrl-C (ONCE=1: ends when every step was seen)
	@echo "demo: building (some minutes the first time)"
	@$(CARGO) build --locked --package umstieg --package umstieg-demo
	@exec $(BUILT)/debug/umstieg-demo $(if $(filter-out 0,$(ONCE)),--once)

test: setup lint sqlx-check tests ## everything that has to be right before a change goes in
	@echo
	@echo "make test: all of it passed"

lint: format clippy docs check-dependencies ## formatting, clippy, rustdoc and the dependencies, without tests

format: ## whether the source is formatted
	@echo "== format"
	@$(CARGO) fmt --all --check

clippy: ## clippy, warnings are errors
	@echo "== clippy"
	@$(CARGO) clippy --locked --workspace --all-targets --all-features -- -D warnings

docs: ## rustdoc, warnings are errors
	@echo "== rustdoc"
	@RUSTDOCFLAGS="-D warnings -A rustdoc::private-intra-doc-links" $(CARGO) doc --locked --workspace --all-features --no-deps --document-private-items

check-dependencies: ## licences, sources and unwanted crates
	@echo "== dependencies"
	@scripts/check-dependencies --self-test
	@scripts/check-dependencies

sqlx: ## describe the SQL queries anew in .sqlx, after a change of SQL
	@scripts/sqlx

sqlx-check: setup
	@echo "== sqlx"
	@scripts/sqlx --check

tests: setup ## all tests, in one shared world; ARGS goes to cargo test, as in ARGS='--test it name'
	@echo "== tests"
	@$(CARGO) test --locked --workspace --all-features --no-run
	@RUST_TEST_THREADS=$${RUST_TEST_THREADS:-$$(( $$(nproc) * 2 ))} $(WORLD) exec -- $(CARGO) test --locked --workspace --all-features $(ARGS)

fuzz: setup ## feed every door with mutations, an hour in all (SECONDS=…, SEED=… for others); see fuzz/README.md
	@$(CARGO) test --locked --release --all-features --test it --no-run
	@UMSTIEG_FUZZ_SECONDS=$$(( $(or $(SECONDS),3600) / 6 )) UMSTIEG_FUZZ_SEED=$(or $(SEED),$$(date +%s)) \
		$(CARGO) test --locked --release --all-features --test it -- --nocapture --test-threads 1 fuzz::

bench: setup ## the gateway beside the homeserver driven directly; report in target/bench/report.json
	@echo "bench: building with optimisation (some minutes the first time)"
	@$(CARGO) bench --locked --bench gateway
