# Every task of the project is one line here; README, .ci/run and people call nothing else.
# Needs: make and Python 3.11 or newer with venv. Packages come from the index that pip is set to.

CANDIDATES = python3 python3.13 python3.12 python3.11 python3.14
NEW_ENOUGH = import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for p in $(CANDIDATES); do \
	$$p -c '$(NEW_ENOUGH)' 2>/dev/null && echo $$p && break; done)
BIN = .venv/bin
PIP = $(BIN)/python -m pip --disable-pip-version-check --quiet install
LOCK = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-annotate --custom-compile-command 'make lock' pyproject.toml
DEMO_ARGS ?=
TEST_ARGS ?=
SIDE_BY_SIDE ?= --numprocesses 3 --dist worksteal
RUNTIMES ?= 1.15 2.11

.DEFAULT_GOAL := help
.PHONY: help demo test test-all lint format bench docs images wheel lock clean

help:  ## Say what there is
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1: \2/p' $(MAKEFILE_LIST)

demo: .venv/base.done  ## Train, export, deploy and predict, from start to finish
	$(BIN)/cmle demo $(DEMO_ARGS)

test: .venv/test.done  ## Run the tests, the installed wheel's included
	$(BIN)/python -m pytest -m 'not soak' $(SIDE_BY_SIDE) $(TEST_ARGS)

test-all: .venv/test.done  ## Run the tests that take long, too
	$(BIN)/python -m pytest $(TEST_ARGS)

lint: .venv/lint.done  ## Check style, types and layers
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

format: .venv/lint.done  ## Put the code into shape
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: .venv/test.done  ## Print the figures, each beside its peer's
	$(BIN)/python -m benchmarks

images: .venv/base.done  ## Build the images of docker/compose.yaml and of runtimes, without a registry
	docker/base/base.sh 3.7
	docker/services.sh
	$(BIN)/cmle runtimes build --image $(RUNTIMES)

docs: .venv/test.done  ## Write the reference pages anew, from the program itself
	$(BIN)/python -m emulator.reference docs

wheel: .venv/base.done  ## Build dist/cmle-*.whl
	$(BIN)/python -m hatchling build -t wheel

lock: .venv/lint.done  ## Pin every dependency anew, with hashes and without addresses
	$(LOCK) --upgrade --group build --output-file requirements/base.txt
	$(LOCK) --upgrade --extra docker --group build --output-file requirements/docker.txt
	$(LOCK) --upgrade --group test --output-file requirements/test.txt
	$(LOCK) --upgrade --group test --group lint --output-file requirements/lint.txt

clean:  ## Remove what was built here
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo 'No Python 3.11 or newer with venv was found. Install one (Debian: apt install python3 python3-venv), or name it: make PYTHON=/path/to/python' >&2; exit 1; }
	@echo 'Making .venv with $(PYTHON)'
	@$(PYTHON) -m venv .venv || { rm -rf .venv; echo 'The virtual environment could not be made (Debian: apt install python3-venv).' >&2; exit 1; }

.venv/base.done: requirements/base.txt pyproject.toml | .venv/bin/python
	@echo 'Installing what the emulator needs (under a minute, once)'
	@$(PIP) --require-hashes --requirement requirements/base.txt
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

.venv/test.done: requirements/test.txt .venv/base.done
	@echo 'Installing what its tests need (1-2 minutes, once)'
	@$(PIP) --require-hashes --requirement requirements/test.txt
	@touch $@

.venv/lint.done: requirements/lint.txt .venv/test.done
	@echo 'Installing the linters'
	@$(PIP) --require-hashes --requirement requirements/lint.txt
	@touch $@
