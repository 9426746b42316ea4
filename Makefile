# Everything starts here: `make demo` shows Polyfleet at work, `make test` proves it. `make help` lists the rest.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# For the demo: `make demo ARGS="--exit --report report.json"`.
ARGS ?=
# For lint and format: `make lint PATHS=agent/src`.
PATHS ?= .

DISTRIBUTIONS := shared agent controller
# Two tests at a time; those of one xdist_group share what is costly to make.
PYTEST := $(BIN)/pytest -n 2 --dist loadgroup
# Sources that mypy checks; each distribution and the tests.
TYPED := $(DISTRIBUTIONS:%=%/src) tests

.PHONY: help setup setup-demo demo test check test-all bench lint types contracts format lock dist clean

help: ## Show this list.
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/    make \1 \t\2/p' Makefile | expand -t 22

setup: ## Install what the demo and the tests need: Debian packages, and Python packages into .venv.
	@tools/install-debian-packages demo test
	@$(MAKE) --silent $(VENV)/.installed

setup-demo:
	@tools/install-debian-packages demo
	@$(MAKE) --silent $(VENV)/.installed

demo: setup-demo ## Run the demo: one image on four architectures. Pass options in ARGS.
	@$(BIN)/polyfleet demo $(ARGS)

test: setup lint types contracts ## Check and test everything that every change must pass.
	$(PYTEST) -m 'not slow'

check: setup lint types contracts ## The fast part of `make test`.
	$(PYTEST) tests/architecture tests/unit tests/property -m 'not slow'

test-all: setup lint types contracts ## `make test`, and what takes too long for every change.
	$(PYTEST)

bench: setup ## Print the benchmarks.
	$(BIN)/pytest tests/bench --override-ini=python_files='bench_*.py' --override-ini=faulthandler_timeout=0 \
	    --capture=no --quiet

lint: $(VENV)/.installed ## Check style and format. PATHS narrows it.
	@$(BIN)/ruff check $(PATHS)
	@$(BIN)/ruff format --check $(PATHS)

types: $(VENV)/.installed ## Check types.
	@$(BIN)/mypy $(TYPED)

contracts: $(VENV)/.installed ## Check which module may import which.
	@PYTHONDONTWRITEBYTECODE=1 $(BIN)/lint-imports --no-logo

format: $(VENV)/.installed ## Format, and fix what can be fixed. PATHS narrows it.
	@$(BIN)/ruff check --fix-only $(PATHS)
	@$(BIN)/ruff format $(PATHS)

# The hash of every file that pip may choose, on any supported Python and architecture.
COMPILE = $(BIN)/uv pip compile - --universal --python-version 3.11 --generate-hashes --no-annotate --quiet \
    --custom-compile-command 'make lock' $(DISTRIBUTIONS:%=--no-emit-package polyfleet-%)

# For development all of it; what builds wheels, and what a device and the controller's image need, of it.
# A device has psutil from Debian: no wheel of it exists for 32-bit ARM and RISC-V.
lock: $(VENV)/.installed ## Choose the newest Python packages and write the requirements.lock files.
	@printf -- '-e ./%s\n' $(DISTRIBUTIONS) | \
	    $(COMPILE) --group dev --upgrade --output-file requirements.lock
	@printf -- '%s\n' hatchling | \
	    $(COMPILE) --constraint requirements.lock --output-file build-requirements.lock
	@printf -- '%s\n' '-e ./shared' '-e ./agent' | \
	    $(COMPILE) --constraint requirements.lock --no-emit-package psutil --output-file agent/requirements.lock
	@printf -- '%s\n' '-e ./shared' '-e ./controller' psycopg | \
	    $(COMPILE) --constraint requirements.lock --output-file controller/requirements.lock

dist: $(VENV)/.installed ## Build the wheels into dist/.
	@for each in $(DISTRIBUTIONS); do (cd $$each && \
	    $(abspath $(BIN))/python -m hatchling build --target wheel --directory $(CURDIR)/dist); done

clean: ## Remove what was installed into and built in this directory.
	rm -rf $(VENV) .mypy_cache .ruff_cache .import_linter_cache .hypothesis dist build
	find $(TYPED) -name __pycache__ -prune -exec rm -rf {} +

# Each stamp is newer than what it was made from, so a second `make setup` does nothing.
$(VENV)/.created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo '$(PYTHON) is older than 3.11: name a newer one, as in `make setup PYTHON=python3.11`' >&2; exit 1; }
	@$(PYTHON) -m venv --clear $(VENV)
	@touch $@

$(VENV)/.locked: requirements.lock $(VENV)/.created
	@echo 'Installing Python packages into $(VENV)' >&2
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements.lock
	@touch $@

$(VENV)/.installed: $(VENV)/.locked $(DISTRIBUTIONS:%=%/pyproject.toml)
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation \
	    $(DISTRIBUTIONS:%=--editable ./%)
	@touch $@
