# Every target does its own set-up; `make` alone lists them.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help demo run test check format floors system clean

help:  ## what can be made
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

demo: $(VENV)/.app  ## try everything on your own machine: no account, no key, no network
	@$(BIN)/helicone-proxy demo $(ARGS)

run: $(VENV)/.app  ## start the sidecar for real use (config.toml is read when it is there)
	@$(BIN)/helicone-proxy serve $(ARGS)

test: $(VENV)/.dev system  ## all tests
	@$(BIN)/pytest $(ARGS)

check: $(VENV)/.dev  ## ruff and mypy strict
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: $(VENV)/.dev  ## ruff's fixes and formatting
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

floors: $(VENV)/.dev system  ## all tests on the oldest versions that pyproject.toml allows
	@$(PYTHON) -m venv --clear .venv-floors
	@.venv-floors/bin/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	@$(BIN)/python tests/floors.py > .venv-floors/floors.txt
	@echo "Testing with:" $$(cat .venv-floors/floors.txt)
	@.venv-floors/bin/python -m pip install --quiet --disable-pip-version-check -c .venv-floors/floors.txt --group test --editable .
	@.venv-floors/bin/pytest $(ARGS)

# Programs that tests run and that are no Python packages. Without root those tests are skipped, and say so.
SYSTEM := curl openssl
system:
	@missing=; for program in $(SYSTEM); do command -v $$program >/dev/null || missing="$$missing $$program"; done; \
	if [ -n "$$missing" ] && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "Installing$$missing ..."; apt-get -qq update && apt-get -qq install -y $$missing >/dev/null; \
	elif [ -n "$$missing" ]; then echo "Not installed, so some tests are skipped:$$missing"; fi

clean:  ## remove what the other targets made here
	rm -rf .venv .venv-floors .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed (make PYTHON=python3.12 ...)"; exit 1; }
	@echo "Making $(VENV); the first time takes about half a minute ..."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'

$(VENV)/.app: $(VENV)/bin/python pyproject.toml
	@echo "Installing helicone-feedback-proxy into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.app
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --group dev
	@touch $@
