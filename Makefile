# make demo: a sample pair becomes a picture.  make test: the tests.  make help: the rest.
# Needs python3 (3.11 to 3.13) with venv, make, and the package index; everything else lands in .venv.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help demo test test-system torture lint format all lock clean install-service uninstall-service

help:  ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

demo: $(VENV)/.run  ## a sample pair through the daemon; says where the picture is
	@$(BIN)/nst-batch demo

test: $(VENV)/.dev  ## the tests that need nothing but Python
	$(BIN)/python -m pytest -m "not system" -n auto --maxprocesses 4 --dist loadfile

test-system: $(VENV)/.dev  ## what needs more: a real systemd, a browser, kills
	$(BIN)/python -m pytest -m system

torture: $(VENV)/.dev  ## the long proof, two to six hours; ended in between, it goes on where it was
	$(BIN)/python -m benchmarks.torture

install-service:  ## as root: the studio as a systemd service, or its upgrade (GPU=1, WEIGHTS=FILE, MEMBERS="ann bob"; docs/operations.md)
	@systemd/install-service install

uninstall-service:  ## as root: takes the service away, leaves pictures, queue and config
	@systemd/install-service uninstall

lint: $(VENV)/.dev  ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.dev  ## put the code into shape
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

all: lint test test-system  ## before every commit

lock: $(VENV)/.dev  ## renew the locks in requirements/ from pyproject.toml
	cd $(CURDIR) && for what in run dev gpu video; do \
	  case $$what in run) extra= ;; *) extra="--extra $$what -c requirements/run.txt" ;; esac; \
	  $(BIN)/uv pip compile pyproject.toml $$extra --universal --python-version 3.11 --generate-hashes \
	    --no-emit-index-url --no-header --quiet --upgrade -o requirements/$$what.txt || exit 1; \
	done

clean:  ## everything made, but not inbox and outbox
	rm -rf $(VENV) build demo *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || \
	  { echo "nst_batch needs Python 3.11 to 3.13; name one with: make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
	  { rm -rf $(VENV); echo "python3 has no venv module; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }

$(VENV)/.run: requirements/run.txt pyproject.toml | $(BIN)/python
	@echo "Installing into $(VENV) (about 2 GB, a few minutes the first time) ..."
	@$(PIP) install --quiet --require-hashes -r requirements/run.txt
	@$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: requirements/dev.txt pyproject.toml | $(BIN)/python
	@echo "Installing into $(VENV) (about 2 GB, a few minutes the first time) ..."
	@$(PIP) install --quiet --require-hashes -r requirements/dev.txt
	@$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@ $(VENV)/.run
