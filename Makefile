# Every target installs what it needs once, quietly; the second time no network is used.
# Variables: ARGS (passed on), PYTHON (3.11 or newer), VENV.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

VENV ?= .venv
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := $(VENV)/bin
READY := $(VENV)/.ready
ARGS ?=
# Whole suites run on two cores, file by file, each with servers of its own.
BOTH = -n 2 --dist loadfile
# Not `lifeline stack fetch`: that loads every stage, and is of no use while one of them is broken.
FETCH = $(BIN)/python -c 'from lifeline.commands.stack import app; app()' fetch
CHECKED := lifeline ingest streams detectors alerting simulators watchdog calibration
SHELL_FILES = .ci/run $(shell git ls-files '*.sh' 2>/dev/null)

# $(call need,PROGRAM,PACKAGE): root installs a missing program, others are told the one command.
define need
	@command -v $(1) >/dev/null || { \
	  printf '  %-11s %s\n' $(1) 'installing' >&2; \
	  test "$$(id -u)" = 0 && command -v apt-get >/dev/null && apt-get update -qq && \
	  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(2) >/dev/null; \
	} || { echo "$(1) is missing: run  sudo apt-get install $(2)" >&2; exit 2; }
endef

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: venv
venv: $(READY) ## virtual environment from the hash-pinned lock

$(READY): requirements.lock pyproject.toml
	@if ! $(BIN)/python -c 'import pip' 2>/dev/null; then \
	  test -n "$(PYTHON)" || { echo 'Python is missing: run  sudo apt-get install python3 python3-venv' >&2; exit 2; }; \
	  $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo '$(PYTHON) is older than 3.11: give another, as in  make PYTHON=/usr/bin/python3.11' >&2; exit 2; }; \
	  if ! $(PYTHON) -c 'import ensurepip' 2>/dev/null; then \
	    { test "$$(id -u)" = 0 && printf '  %-11s %s\n' python 'installing python3-venv' >&2 && apt-get update -qq && \
	      DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3-venv >/dev/null; } || \
	    { echo 'the module venv is missing: run  sudo apt-get install python3-venv' >&2; exit 2; }; \
	  fi; \
	  $(PYTHON) -m venv $(VENV); \
	fi
	@printf '  %-11s %s\n' python 'installing the locked packages, about a minute the first time' >&2
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

.PHONY: kafka
kafka: $(READY) ## Kafka's jars, into a cache outside the checkout
	$(call need,java,openjdk-17-jre-headless)
	$(call need,mvn,maven)
	@$(FETCH) --only kafka

.PHONY: mosquitto
mosquitto: $(READY) ## the MQTT broker: from the system as root, else unpacked into the cache
	@$(FETCH) --only mosquitto

.PHONY: servers
servers: $(READY) ## both of them
	$(call need,java,openjdk-17-jre-headless)
	$(call need,mvn,maven)
	@$(FETCH)

.PHONY: demo
demo: servers ## a demo city on this machine's own servers; ARGS="--until push --report FILE"
	@exec $(BIN)/python -m lifeline demo $(ARGS)

.PHONY: test
test: servers ## unit, property and integration tests on real servers; ARGS="-k name"
	@$(if $(ARGS),,$(MAKE) coverage)
	@exec $(BIN)/python -m pytest -q -m "$(if $(ARGS),,integration and )not faults" $(or $(ARGS),$(BOTH))

.PHONY: unit
unit: $(READY) ## tests that need no server
	@exec $(BIN)/python -m pytest -q -m "not integration and not faults" $(or $(ARGS),$(BOTH))

.PHONY: coverage
coverage: $(READY) ## the same, and every line and branch of every pure file must have run
	@exec $(BIN)/python -m pytest -q -m "not integration and not faults" --cov $(or $(ARGS),$(BOTH))

.PHONY: check
check: $(READY) ## style, types, import contracts, purity, the lock, shell files
	$(call need,shellcheck,shellcheck)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy $(CHECKED)
	@$(BIN)/lint-imports
	@$(BIN)/python -m pytest -q tests/test_*.py
	@shellcheck $(SHELL_FILES)

.PHONY: faults
faults: servers ## the long fault programme: kills and crash points with three more seeds, ten sabotages
	@exec $(BIN)/python -m pytest -q -m faults --timeout=3600 $(ARGS)

.PHONY: features
features: servers ## docs/features.md from the tests that show a feature; ARGS=--collect-only is quick
	@exec $(BIN)/python -m pytest -q -m "feature and not faults" tests --features docs/features.md $(or $(ARGS),$(BOTH))

.PHONY: bench
bench: servers ## publish to finding, stored and push at full rate; ARGS="--rate 116000 --seconds 60"
	@exec $(BIN)/python benchmarks/pipeline.py $(ARGS)

.PHONY: bench-detection
bench-detection: $(READY) ## how well the detectors detect; DATA=folder of the sets, OUT=folder, ARGS="--only ltown"
	@exec $(BIN)/python benchmarks/detection.py --data $(or $(DATA),data) --out $(or $(OUT),out/detection) --jobs 2 $(ARGS)

.PHONY: screenshots
screenshots: servers ## pictures of the running demo's pages for the README
	@exec $(BIN)/python docs/screenshots.py $(ARGS)

.PHONY: lock
lock: ## requirements.lock anew from pyproject.toml; needs uv
	@command -v uv >/dev/null || { echo 'uv is missing: run  pipx install uv' >&2; exit 2; }
	@uv pip compile pyproject.toml --all-extras --python-version 3.11 --generate-hashes --no-header -q -o requirements.lock
	@sed -i '1i # Every package with its hash, for Python 3.11. Made by `make lock`; do not edit.' requirements.lock
