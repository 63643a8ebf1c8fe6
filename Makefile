# Every task of the project. `make` alone lists them. Needs Rust, Python 3, Node.js and make;
# installs the rest, pinned, into .tools and node_modules.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

VENV := .tools/venv
PYTHON := $(VENV)/bin/python
IDP := examples/solar-system/authorization-server
IDP_READY := $(IDP)/node_modules/.package-lock.json
APP := examples/solar-system/app
APP_READY := $(APP)/node_modules/.package-lock.json
ORACLE := tests/oracle
ORACLE_READY := $(ORACLE)/node_modules/.package-lock.json
CERBOS := tests/cerbos
CERBOS_READY := $(CERBOS)/node_modules/.package-lock.json
PEERS := benches/peers
PEERS_READY := $(PEERS)/node_modules/.package-lock.json
DIST := .tools/dist
ARCHS := x86_64 arm64
CARGO_DENY_VERSION := 0.20.2
CARGO_FUZZ_VERSION := 0.13.2
# libFuzzer and its sanitizer hang on flags that the stable compiler has and does not offer.
CARGO_FUZZ := RUSTC_BOOTSTRAP=1 .tools/cargo/bin/cargo-fuzz
SECONDS := 30
TARGET := $(basename $(notdir $(wildcard fuzz/fuzz_targets/*.rs)))
# Inputs to begin with, beside those in fuzz/seeds.
SEEDS_event := $(wildcard ../shared/data/events)
SEEDS_viewer_request := $(SEEDS_event)

export PORTCULLIS_BIN_DIR ?= $(CURDIR)/target/release

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## Build all that runs, into target/release: portcullis, bootstrap, bootstrap-rego
	rustup target add wasm32-unknown-unknown >/dev/null 2>&1 || true
	cargo run --locked --quiet -p portcullis-edge-module
	cargo build --locked --release --bins -p portcullis-cli -p portcullis-authorizer -p portcullis-authorizer-rego

.PHONY: demo
demo: build tools ## Run the solar system on this machine and show who gets what (ONCE=1: check and exit)
	$(PYTHON) examples/solar-system/demo.py $(if $(ONCE),--once)

.PHONY: test
test: build tools browser postgresql deny-tool ## Run every check and every test
	$(PYTHON) tools/check.py

.PHONY: unit
unit: postgresql ## Run the Rust tests only
	cargo test --locked --workspace

.PHONY: e2e
e2e: build tools browser ## Run the end-to-end tests only
	$(PYTHON) -m pytest tests/e2e

.PHONY: lint
lint: tools deny-tool ## Run formatting, lints, licences, spelling and templates only
	$(PYTHON) tools/check.py --lints

.PHONY: format
format: ## Format the code
	cargo fmt --all

.PHONY: bench
bench: build peers ## Measure authorizer, edge function, verification, decision and service; rewrites docs/benchmarks.md
	cargo run --locked --release -p portcullis-bench

.PHONY: fuzz
fuzz: fuzz-tool ## Try inputs without end on what reads them (SECONDS=30 for each target, TARGET=jws for one)
	@$(foreach target,$(TARGET),$(call FUZZ,$(target)))

define FUZZ
mkdir -p fuzz/corpus/$1; \
echo "=== $1, $(SECONDS) s"; \
$(CARGO_FUZZ) run --sanitizer address $1 fuzz/corpus/$1 fuzz/seeds/$1 $(SEEDS_$1) -- \
	-max_total_time=$(SECONDS) -max_len=16384 -timeout=10 -dict=fuzz/dictionaries/$1.dict \
	-verbosity=0 -print_final_stats=1;
endef

.PHONY: dist
dist: $(DIST)/.ready ## Make a release in dist/, for arm64 and x86_64 (ARCHS=x86_64: for one), as docs/releases.md says
	PYTHONPATH=tools $(DIST)/bin/python -m dist build --archs $(ARCHS)

.PHONY: dist-check
dist-check: $(DIST)/.ready ## Make what is in dist/ a second time, elsewhere, and compare the two
	PYTHONPATH=tools $(DIST)/bin/python -m dist again --archs $(ARCHS)

.PHONY: tools
tools: $(VENV)/.ready $(IDP_READY) $(ORACLE_READY) $(CERBOS_READY) ## Install the pinned tools that tests and demo use

.PHONY: browser
browser: chromium $(APP_READY) ## Install the browser that the end-to-end tests use, and its driver

# The system's own PostgreSQL. The tests start a private server of it, and find it where Debian puts it.
.PHONY: postgresql
postgresql: ## Install PostgreSQL, which the tests of the storage start for themselves
	@if command -v initdb >/dev/null || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1; then exit 0; fi; \
	if ! command -v apt-get >/dev/null || [ "$$(id -u)" != 0 ]; then \
	  echo "The tests of the storage need PostgreSQL. Install it so that initdb, pg_ctl and psql are on the PATH or in" \
	    "/usr/lib/postgresql/*/bin, on Debian with: sudo apt-get install postgresql. As root, make does that itself." >&2; \
	  exit 1; \
	fi; \
	apt-get update -qq && apt-get install -qq -y --no-install-recommends postgresql

.PHONY: peers
peers: $(PEERS_READY) $(CERBOS_READY) ## Install what the benchmarks compare with

.PHONY: clean
clean: ## Remove everything that was built or installed
	rm -rf target dist .tools $(IDP)/node_modules $(APP)/node_modules $(PEERS)/node_modules $(ORACLE)/node_modules \
		$(CERBOS)/node_modules fuzz/target fuzz/corpus fuzz/artifacts

$(VENV)/.ready: tools/requirements.txt
	python3 -m venv $(VENV)
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --no-deps -r tools/requirements.txt
	touch $@

$(DIST)/.ready: tools/dist/requirements.txt
	python3 -m venv $(DIST)
	$(DIST)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r tools/dist/requirements.txt
	touch $@

$(IDP_READY): $(IDP)/package-lock.json
	npm ci --prefix $(IDP) --no-audit --no-fund --loglevel=error
	touch $@

$(APP_READY): $(APP)/package-lock.json
	npm ci --prefix $(APP) --no-audit --no-fund --loglevel=error
	touch $@

$(ORACLE_READY): $(ORACLE)/package-lock.json
	npm ci --prefix $(ORACLE) --no-audit --no-fund --loglevel=error
	touch $@

# Cerbos is one executable, pinned for Linux on x86-64; elsewhere npm leaves it out, and its tests are skipped.
$(CERBOS_READY): $(CERBOS)/package-lock.json
	npm ci --prefix $(CERBOS) --ignore-scripts --no-audit --no-fund --loglevel=error
	touch $@

# The system's own Chromium: the npm package drives a browser and brings none.
.PHONY: chromium
chromium:
	@if command -v chromium >/dev/null; then exit 0; fi; \
	if ! command -v apt-get >/dev/null || [ "$$(id -u)" != 0 ]; then \
	  echo "The end-to-end tests need Chromium. Install it so that the command chromium is on the PATH, on Debian" \
	    "with: sudo apt-get install chromium. As root, make does that itself." >&2; \
	  exit 1; \
	fi; \
	apt-get update -qq && apt-get install -qq -y --no-install-recommends chromium

$(PEERS_READY): $(PEERS)/package-lock.json
	npm ci --prefix $(PEERS) --ignore-scripts --no-audit --no-fund --loglevel=error
	touch $@

.PHONY: deny-tool
deny-tool: .tools/cargo/cargo-deny-$(CARGO_DENY_VERSION)

.tools/cargo/cargo-deny-$(CARGO_DENY_VERSION):
	cargo install --quiet --locked --root .tools/cargo --target-dir target/tools cargo-deny@$(CARGO_DENY_VERSION)
	touch $@

.PHONY: fuzz-tool
fuzz-tool: .tools/cargo/cargo-fuzz-$(CARGO_FUZZ_VERSION)

.tools/cargo/cargo-fuzz-$(CARGO_FUZZ_VERSION):
	cargo install --quiet --locked --root .tools/cargo --target-dir target/tools cargo-fuzz@$(CARGO_FUZZ_VERSION)
	touch $@
