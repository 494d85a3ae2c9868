# make help lists what there is. Everything works from a clean clone on Debian 12 with a Rust toolchain.

export SQLX_OFFLINE ?= true
export RUST_BACKTRACE ?= 0

CARGO ?= cargo
# Where cargo builds; its own variable moves it.
BUILT = $${CARGO_TARGET_DIR:-target}
WORLD = $(BUILT)/debug/umstieg-world

# One set of packages and features for every step: what one of them built, the next one need not build again.
ALL = --locked --workspace --all-features
# Clippy for all that is ours, warnings are errors.
CLIPPY = $(CARGO) clippy $(ALL) --all-targets -- -D warnings
# Tests that read the tree and need no server.
READING = docs:: house:: layers:: letters:: reports_read::

.DEFAULT_GOAL := help
.PHONY: help setup demo quick unit store test tests lint format clippy docs check-changelog check-dependencies sqlx sqlx-check \
	hooks bench fuzz test-fax test-ti-messenger

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 28

setup: ## install the servers of the test world (Debian 12, root or sudo)
	@scripts/setup

demo: setup ## show the whole gateway at work; stays up until Ctrl-C (ONCE=1: ends when every step was seen)
	@echo "demo: building (some minutes the first time)"
	@$(CARGO) build --locked --package umstieg --package umstieg-demo
	@exec $(BUILT)/debug/umstieg-demo $(if $(filter-out 0,$(ONCE)),--once)

quick: format clippy unit ## the checks that need no servers: format, clippy, unit tests, documents, layers
	@echo "== documents, layers, golden letters and reports"
	@$(CARGO) test $(ALL) --test it -- --quiet $(READING)

unit: ## the unit tests of the libraries, without servers; ARGS names some of them
	@echo "== unit tests"
	@$(CARGO) test $(ALL) --lib -- --quiet $(ARGS)

store: ## the tables, on Postgres alone; ARGS names some of the tests
	@echo "== tables"
	@$(CARGO) test $(ALL) --test store -- --quiet $(ARGS)

test: setup format check-changelog check-dependencies sqlx-check docs tests ## everything that has to pass before a change goes in
	@echo
	@echo "make test: all of it passed"

tests: setup ## all tests, in one shared world; ARGS goes to cargo test, as in ARGS='--test it name'
	@echo "== tests"
	@$(CARGO) test $(ALL) --no-run
	@RUST_TEST_THREADS=$${RUST_TEST_THREADS:-$$(( $$(nproc) * 2 ))} $(WORLD) exec -- $(CARGO) test $(ALL) $(ARGS)

# The homeserver of the shared world has TI-Messenger's rules; see docs/ti-messenger.md.
test-ti-messenger: setup ## tests where TI-Messenger's rules hold; RULES: allow or block invitations by default, ARGS names some tests
	@$(CARGO) test $(ALL) --no-run
	@UMSTIEG_WORLD_RULES=$(or $(RULES),block) $(WORLD) exec -- $(CARGO) test $(ALL) --test it -- $(ARGS)

# What make test leaves out of fax_real, since it takes HylaFAX as a whole, root, and minutes.
test-fax: setup ## real faxes, from room to room through two modems and HylaFAX, lines that fail too (root)
	@echo "== real faxes"
	@$(CARGO) test $(ALL) --no-run
	@$(WORLD) exec -- $(CARGO) test $(ALL) --test it -- --include-ignored fax_real::

lint: format check-changelog check-dependencies clippy docs ## formatting, changelog, dependencies, clippy and rustdoc, without tests

format: ## whether the source is formatted
	@echo "== format"
	@$(CARGO) fmt --all --check

clippy: ## clippy, warnings are errors
	@echo "== clippy"
	@$(CLIPPY)

# With --examples, of which there are none, cargo takes the features that tests need: those that clippy built.
docs: ## rustdoc, warnings are errors
	@echo "== rustdoc"
	@RUSTDOCFLAGS="-D warnings -A rustdoc::private-intra-doc-links" \
		$(CARGO) doc $(ALL) --lib --bin umstieg-demo --examples --no-deps --document-private-items

check-changelog: ## whether CHANGELOG.md tells of what changed in src/
	@echo "== changelog"
	@scripts/check-changelog --self-test
	@scripts/check-changelog

check-dependencies: ## licences, sources and unwanted crates
	@echo "== dependencies"
	@scripts/check-dependencies --self-test
	@scripts/check-dependencies

sqlx: ## describe the SQL queries in .sqlx again, after a change of SQL
	@scripts/sqlx

sqlx-check: setup ## clippy as above, with the SQL held against a database and .sqlx
	@echo "== clippy and sqlx"
	@scripts/sqlx --check $(CLIPPY)

hooks: ## let git check each commit before it is made (scripts/hooks)
	@git config core.hooksPath scripts/hooks
	@echo "hooks: git runs scripts/hooks from now on; git config --unset core.hooksPath ends it"

fuzz: setup ## feed every door with mutations, an hour in all (SECONDS=…, SEED=… for others); see fuzz/README.md
	@$(CARGO) test --locked --release --all-features --test it --no-run
	@UMSTIEG_FUZZ_SECONDS=$$(( $(or $(SECONDS),3600) / 7 )) UMSTIEG_FUZZ_SEED=$(or $(SEED),$$(date +%s)) \
		$(CARGO) test --locked --release --all-features --test it -- --nocapture --test-threads 1 fuzz::

bench: setup ## the gateway beside the homeserver driven directly; report in target/bench/report.json
	@echo "bench: building with optimisation (some minutes the first time)"
	@$(CARGO) bench --locked --bench gateway
