# Every target does its own set-up; `make` alone lists them.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help demo run test check format floors clean

help:  ## what can be made
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

demo: $(VENV)/.app  ## try everything on your own machine: no account, no key, no network
	@$(BIN)/helicone-proxy demo

run: $(VENV)/.app  ## start the sidecar for real use (config.toml is read when it is there)
	@$(BIN)/helicone-proxy serve $(if $(wildcard config.toml),--config config.toml)

test: $(VENV)/.dev .system  ## all tests
	@$(BIN)/pytest $(ARGS)

check: $(VENV)/.dev  ## ruff and mypy strict
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: $(VENV)/.dev  ## ruff's fixes and formatting
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

clean:  ## remove what the other targets made here
	rm -rf .venv .venv-floors .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed (make PYTHON=python3.12 ...)"; exit 1; }
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'

$(VENV)/.app: $(VENV)/bin/python pyproject.toml
	@echo "Installing helicone-feedback-proxy into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.app
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --group dev
	@touch $@
