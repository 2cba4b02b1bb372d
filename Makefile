# What it takes to try, test and change Doorward. Everything is installed inside this checkout.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SUFFIXES:

SETUP := deploy/testing
PYTHON := .venv/bin/python
PIP := $(PYTHON) -m pip install --no-input --disable-pip-version-check
NPM := npm --no-audit --no-fund --no-update-notifier

# Caches and temporary files too: nothing is written outside.
CACHE := $(CURDIR)/.cache
export PIP_CACHE_DIR := $(CACHE)/pip
export npm_config_cache := $(CACHE)/npm
export UV_CACHE_DIR := $(CACHE)/uv
export TMPDIR := $(CACHE)/tmp
_ := $(shell mkdir -p "$(TMPDIR)")

.PHONY: help demo test check fuzz bench bench-api lock clean always

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1	/p' Makefile | while IFS='	' read -r name what; do printf '  make %-7s %s\n' "$$name" "$$what"; done

demo: .venv/.demo console/dist/index.html ## everything on http://localhost:8080 (PORT=9000 make demo: elsewhere)
	@exec $(PYTHON) -m deploy.demo

# Without Node.js the rest is still tested, and what is left out is named at the end.
test: .venv/.dev ## all tests, and whatever they need
	@if $(SETUP)/check-node 2>/dev/null; then \
	    $(MAKE) --no-print-directory console/dist/index.html tests/provider/node_modules/.installed; \
	fi
	@exec $(PYTHON) -m deploy.testing

check: .venv/.dev console/node_modules/.installed ## style and types of all code
	$(PYTHON) -m ruff check
	$(PYTHON) -m ruff format --check
	$(PYTHON) -m mypy .
	cd console && $(NPM) run --silent check

# The same tests as in `make test`, for longer.
fuzz: .venv/.dev ## some minutes of random bytes, clients and requests against both servers (FUZZ_EXAMPLES=1000000: longer)
	FUZZ_EXAMPLES=$${FUZZ_EXAMPLES:-50000} DIFFERENTIAL_EXAMPLES=$${DIFFERENTIAL_EXAMPLES:-150} \
	    SCHEMA_EXAMPLES=$${SCHEMA_EXAMPLES:-50} $(PYTHON) -m pytest -q --timeout=0 \
	    tests/bff/dataplane/test_parser_fuzz.py tests/bff/dataplane/test_differential.py tests/apiserver/test_schema.py

bench: .venv/.dev ## figures beside other proxies, into docs/benchmarks.md (a quarter of an hour)
	@bench/setup
	@exec $(PYTHON) -m bench

# uv, because pip cannot lock for other systems than the one it runs on.
UV_COMPILE = .cache/lock/bin/uv pip compile --universal --python-version 3.11 --generate-hashes --quiet \
    --no-emit-index-url --no-emit-find-links --no-header --no-annotate

bench-api: .venv/.dev ## figures of the apiserver by how many devices there are, into docs/benchmarks-api.md
	@exec $(PYTHON) -m bench.api

lock: .cache/lock/bin/uv ## newest versions that pyproject.toml allows, into requirements/
	$(UV_COMPILE) --upgrade --extra dev pyproject.toml -o requirements/dev.txt
	$(UV_COMPILE) --upgrade --extra demo -c requirements/dev.txt pyproject.toml -o requirements/demo.txt
	$(UV_COMPILE) --upgrade requirements/build.in -o requirements/build.txt
	$(UV_COMPILE) --upgrade requirements/bench.in -o requirements/bench.txt

clean: ## removes what the others made; the demo's data stays in .demo/
	rm -rf .venv .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis build *.egg-info
	rm -rf console/node_modules console/dist tests/provider/node_modules
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Looked at every time, made anew only when it does not work: its marker then gets a new time.
.venv/.made: always
	@$(SETUP)/make-venv

# The build tool is locked as well, so that installing ourselves downloads nothing that is not.
.venv/.demo: .venv/.made requirements/build.txt requirements/demo.txt pyproject.toml
	@$(SETUP)/quietly "Installing Python packages (first time: about half a minute)" \
	    $(PIP) --require-hashes -r requirements/build.txt -r requirements/demo.txt
	@$(SETUP)/quietly "Installing Doorward into .venv" \
	    $(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

# After the demo's, never beside it: two pips in one environment would break it.
.venv/.dev: .venv/.demo requirements/dev.txt
	@$(SETUP)/quietly "Installing Python packages for tests (first time: about half a minute)" \
	    $(PIP) --require-hashes -r requirements/dev.txt
	@touch $@

.cache/lock/bin/uv: .venv/.made
	@$(SETUP)/quietly "Installing uv" sh -c '$(PYTHON) -m venv .cache/lock && .cache/lock/bin/python -m pip install uv'

%/node_modules/.installed: %/package.json %/package-lock.json
	@$(SETUP)/check-node
	@cd $* && "$(CURDIR)/$(SETUP)/quietly" "Installing npm packages of $*" $(NPM) ci --ignore-scripts
	@touch $@

CONSOLE_SOURCES := $(shell find console/src console/public -type f) \
    console/index.html console/tsconfig.json console/vite.config.ts

console/dist/index.html: console/node_modules/.installed $(CONSOLE_SOURCES)
	@cd console && "$(CURDIR)/$(SETUP)/quietly" "Building the console" $(NPM) run build
