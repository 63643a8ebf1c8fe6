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
PEERS_PYTHON := .tools/peers-venv
RIC := $(PEERS)/aws-lambda-ric
RIC_BUILT := .tools/aws-lambda-ric.built
RIC_WHY_NOT := .tools/aws-lambda-ric.txt
DIST := .tools/dist
ARCHS := x86_64 arm64
CARGO_DENY_VERSION := 0.20.2
CARGO_MACHETE_VERSION := 0.9.2
CARGO_FUZZ_VERSION := 0.13.2
MDBOOK_VERSION := 0.5.4
SECONDS := 30
TARGET := $(basename $(notdir $(wildcard fuzz/fuzz_targets/*.rs))) management
# Inputs to begin with, beside those in fuzz/seeds.
FUZZ_SEEDS := event=$(wildcard ../shared/data/events) viewer_request=$(wildcard ../shared/data/events)

export PORTCULLIS_BIN_DIR ?= $(CURDIR)/target/release

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## Build all that runs, into target/release: portcullis, bootstrap, bootstrap-rego
	rustup target add wasm32-unknown-unknown >/dev/null 2>&1 || true
	cargo run --locked --quiet -p portcullis-edge-module
	cargo build --locked --release --bins -p portcullis-cli -p portcullis-authorizer -p portcullis-authorizer-rego

.PHONY: demo
demo: build tools ## Run the solar system on this machine and show who gets what (ONCE=1: check and exit)
	$(PYTHON) examples/solar-system/demo.py $(if $(ONCE),--once)

.PHONY: test
test: build tools browser postgresql faketime deny-tool mdbook-tool ## Run every check and every test
	$(PYTHON) tools/check.py

.PHONY: unit
unit: postgresql ## Run the Rust tests only
	cargo test --locked --workspace

.PHONY: e2e
e2e: build tools browser ## Run the end-to-end tests only
	$(PYTHON) -m pytest tests/e2e

.PHONY: faults
faults: build tools postgresql faketime ## Break service, network, database, disk, clock and keys under load (FAULTS=short: as make test does)
	$(PYTHON) -m pytest tests/faults

.PHONY: lint
lint: tools deny-tool mdbook-tool machete-tool ## Run formatting, lints, licences, unused dependencies, spelling, templates and the book only
	$(PYTHON) tools/check.py --lints

.PHONY: format
format: ## Format the code
	cargo fmt --all

.PHONY: reference
reference: ## Rewrite docs/reference and docs/openapi.json from the code
	UPDATE_REFERENCE=1 UPDATE_OPENAPI=1 cargo test --locked --quiet -p portcullis-cli -p portcullis-server --test it -- \
		reference:: the_document_is_the_one_in_the_docs

.PHONY: bench
bench: build peers ## Measure authorizer, edge function, verification, decision and service; rewrites docs/benchmarks.md
	cargo run --locked --release -p portcullis-bench

.PHONY: bench-check
bench-check: valgrind ## Count the instructions of the hot paths; fails where one grew by over 5 % (UPDATE=1: keep the new counts)
	cargo build --locked --release -p portcullis-instructions
	python3 tools/bench_check.py target/release/portcullis-instructions $(if $(UPDATE),--update)

.PHONY: fuzz
fuzz: fuzz-tool $(VENV)/.ready $(if $(filter management,$(TARGET)),build) ## Try made-up inputs on what reads them (SECONDS=30 each, TARGET=jws for one, INPUT=file to see one again)
	$(PYTHON) fuzz/run.py --seconds $(SECONDS) $(addprefix --seeds ,$(FUZZ_SEEDS)) $(if $(INPUT),--input $(INPUT)) $(TARGET)

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

# What the system has or its packages bring; as root, Debian's are installed. $(call DEBIAN,test,package,what needs it and
# where it is looked for)
define DEBIAN
@if $1; then exit 0; fi; \
if ! command -v apt-get >/dev/null || [ "$$(id -u)" != 0 ]; then \
  echo "$3. Install it, on Debian with: sudo apt-get install $2. As root, make does that itself." >&2; \
  exit 1; \
fi; \
apt-get update -qq && apt-get install -qq -y --no-install-recommends $2
endef

# The tests start a private server of it.
.PHONY: postgresql
postgresql: ## Install PostgreSQL, which the tests of the storage start for themselves
	$(call DEBIAN,command -v initdb >/dev/null || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1,postgresql,\
	The tests of the storage need PostgreSQL: initdb and pg_ctl and psql on the PATH or in /usr/lib/postgresql/*/bin)

.PHONY: faketime
faketime: ## Install libfaketime, with which the fault tests step the clock
	$(call DEBIAN,ls /usr/lib/*/faketime/libfaketimeMT.so.1 >/dev/null 2>&1,libfaketime,\
	The fault tests need libfaketime in /usr/lib/*/faketime)

# The npm package drives a browser and brings none.
.PHONY: chromium
chromium:
	$(call DEBIAN,command -v chromium >/dev/null,chromium,The end-to-end tests need Chromium as chromium on the PATH)

.PHONY: valgrind
valgrind:
	$(call DEBIAN,command -v valgrind >/dev/null,valgrind,Counting instructions needs valgrind on the PATH)

.PHONY: peers
peers: $(PEERS_READY) $(CERBOS_READY) $(PEERS_PYTHON)/.ready $(RIC_BUILT) ## Install what the benchmarks compare with

.PHONY: clean
clean: ## Remove everything that was built or installed
	rm -rf target dist .tools $(IDP)/node_modules $(APP)/node_modules $(PEERS)/node_modules $(ORACLE)/node_modules \
		$(RIC)/node_modules $(CERBOS)/node_modules fuzz/target fuzz/corpus fuzz/artifacts

$(VENV)/.ready: tools/requirements.txt
	python3 -m venv $(VENV)
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --no-deps -r tools/requirements.txt
	touch $@

$(DIST)/.ready: tools/dist/requirements.txt
	python3 -m venv --clear $(DIST)
	$(DIST)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: --no-deps \
		-r tools/dist/requirements.txt
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

# Cerbos is one executable, pinned for Linux on x86-64; elsewhere npm leaves it out, and its tests are skipped,
# which tools/check.py allows there.
$(CERBOS_READY): $(CERBOS)/package-lock.json
	npm ci --prefix $(CERBOS) --ignore-scripts --no-audit --no-fund --loglevel=error
	touch $@

$(PEERS_READY): $(PEERS)/package-lock.json
	npm ci --prefix $(PEERS) --ignore-scripts --no-audit --no-fund --loglevel=error
	touch $@

$(PEERS_PYTHON)/.ready: $(PEERS)/requirements.txt
	python3 -m venv $(PEERS_PYTHON)
	$(PEERS_PYTHON)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r $(PEERS)/requirements.txt
	touch $@

# AWS' runtime client for Node.js compiles curl and a native part: a few minutes, and it may fail. That is no error: the
# benchmark then goes without it and shows the last line of $(RIC_WHY_NOT) as the reason. The target is only made by
# success, so that the next make tries again. Node.js brings the headers that node-gyp would download.
$(RIC_BUILT): $(RIC)/package-lock.json
	@mkdir -p .tools; rm -rf $@ $(RIC)/node_modules; \
	absent() { missing=; for command in cmake autoreconf libtoolize g++; do \
	  command -v $$command >/dev/null || missing="$$missing $$command"; done; [ -n "$$missing" ]; }; \
	if absent && command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
	  apt-get update -qq && apt-get install -qq -y --no-install-recommends cmake autoconf automake libtool g++ || true; \
	fi; \
	node="$$(node -p 'path.resolve(process.execPath, "../..")')"; \
	if [ -f "$$node/include/node/node.h" ]; then export npm_config_nodedir="$$node"; fi; \
	if absent; then echo "not here:$$missing" >$(RIC_WHY_NOT); \
	elif npm ci --prefix $(RIC) --no-audit --no-fund --loglevel=error >$(RIC_WHY_NOT).log 2>&1; then rm -f $(RIC_WHY_NOT); touch $@; \
	else cat $(RIC_WHY_NOT).log; \
	  (grep -i 'error: ' $(RIC_WHY_NOT).log || echo 'npm ci failed') | tail -n 1 | sed 's/^npm error //' >$(RIC_WHY_NOT); fi

# Unoptimised: it runs for two seconds, and is built in a third of the time.
.PHONY: deny-tool
deny-tool: .tools/cargo/cargo-deny-$(CARGO_DENY_VERSION)

.tools/cargo/cargo-deny-$(CARGO_DENY_VERSION):
	CARGO_PROFILE_DEV_DEBUG=0 cargo install --quiet --locked --debug --root .tools/cargo --target-dir target/tools \
		cargo-deny@$(CARGO_DENY_VERSION)
	touch $@

# For `make lint` only: what it finds can wait for a person, and continuous integration need not wait for its build.
.PHONY: machete-tool
machete-tool: .tools/cargo/cargo-machete-$(CARGO_MACHETE_VERSION)

.tools/cargo/cargo-machete-$(CARGO_MACHETE_VERSION):
	CARGO_PROFILE_DEV_DEBUG=0 cargo install --quiet --locked --debug --root .tools/cargo --target-dir target/tools \
		cargo-machete@$(CARGO_MACHETE_VERSION)
	touch $@

.PHONY: fuzz-tool
fuzz-tool: .tools/cargo/cargo-fuzz-$(CARGO_FUZZ_VERSION)

.tools/cargo/cargo-fuzz-$(CARGO_FUZZ_VERSION):
	cargo install --quiet --locked --root .tools/cargo --target-dir target/tools cargo-fuzz@$(CARGO_FUZZ_VERSION)
	touch $@

.PHONY: book
book: mdbook-tool ## Build the book into target/book
	python3 tools/book/build.py

.PHONY: mdbook-tool
mdbook-tool: .tools/cargo/mdbook-$(MDBOOK_VERSION)

# Without optimisation and without its server: a minute of one core less to build, and it takes a second for the book.
.tools/cargo/mdbook-$(MDBOOK_VERSION):
	CARGO_PROFILE_DEV_DEBUG=0 cargo install --quiet --locked --debug --root .tools/cargo --target-dir target/tools \
		--no-default-features --features search mdbook@$(MDBOOK_VERSION)
	touch $@
