# Every task of the project. `make` alone lists them. Needs Rust, Python 3, Node.js and make;
# installs the rest, pinned, into .tools and node_modules.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

VENV := .tools/venv
PYTHON := $(VENV)/bin/python
IDP := examples/solar-system/authorization-server
IDP_READY := $(IDP)/node_modules/.package-lock.json
PEERS := benches/peers
PEERS_READY := $(PEERS)/node_modules/.package-lock.json
CARGO_DENY_VERSION := 0.20.2

export PORTCULLIS_BIN_DIR ?= $(CURDIR)/target/release

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## Build all that runs: target/release/portcullis and target/release/bootstrap
	cargo build --locked --release --bins -p portcullis-cli -p portcullis-authorizer

.PHONY: demo
demo: build tools ## Run the solar system on this machine and show who gets what (ONCE=1: check and exit)
	$(PYTHON) examples/solar-system/demo.py $(if $(ONCE),--once)

.PHONY: test
test: build tools deny-tool ## Run every check and every test
	$(PYTHON) tools/check.py

.PHONY: unit
unit: ## Run the Rust tests only
	cargo test --locked --workspace

.PHONY: e2e
e2e: build tools ## Run the end-to-end tests only
	$(PYTHON) -m pytest tests/e2e

.PHONY: lint
lint: tools deny-tool ## Run formatting, lints, licences, spelling and templates only
	$(PYTHON) tools/check.py --lints

.PHONY: format
format: ## Format the code
	cargo fmt --all

.PHONY: bench
bench: build peers ## Measure the authorizer, verification and decision; rewrites docs/benchmarks.md
	cargo run --locked --release -p portcullis-bench

.PHONY: tools
tools: $(VENV)/.ready $(IDP_READY) ## Install the pinned tools that tests and demo use

.PHONY: peers
peers: $(PEERS_READY) ## Install what the benchmarks compare with

.PHONY: clean
clean: ## Remove everything that was built or installed
	rm -rf target .tools $(IDP)/node_modules $(PEERS)/node_modules

$(VENV)/.ready: tools/requirements.txt
	python3 -m venv $(VENV)
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --no-deps -r tools/requirements.txt
	touch $@

$(IDP_READY): $(IDP)/package-lock.json
	npm ci --prefix $(IDP) --no-audit --no-fund --loglevel=error
	touch $@

$(PEERS_READY): $(PEERS)/package-lock.json
	npm ci --prefix $(PEERS) --ignore-scripts --no-audit --no-fund --loglevel=error
	touch $@

.PHONY: deny-tool
deny-tool: .tools/cargo/cargo-deny-$(CARGO_DENY_VERSION)

.tools/cargo/cargo-deny-$(CARGO_DENY_VERSION):
	cargo install --quiet --locked --root .tools/cargo --target-dir target/tools cargo-deny@$(CARGO_DENY_VERSION)
	touch $@
