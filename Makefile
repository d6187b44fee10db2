# The one command file; CI calls the same. `make` or `make help` lists it.
# It needs a Python of at least 3.11 and nothing else: Node.js, Valkey and Chromium come as pinned packages.
# Nothing is written outside the checkout but the package caches.

.DEFAULT_GOAL := help
.PHONY: help run stack test test-folders test-files proof lint soak audit bench bench-quick bench-docs format lock clean

PORT ?= 8000
MINUTES ?= 10
UV := uv==0.13.9
PIP_AUDIT := pip-audit==2.10.1

# The first interpreter on PATH that is new enough.
PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)

BIN := .venv/bin
# npm as the Node package from PyPI ships it: that has no command of its own.
NPM = $(BIN)/python -m local.npm

help:  ## List what there is to do.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: .venv/runtime.stamp node_modules/runtime.stamp  ## Start everything and stream the logs (PORT=8000); Ctrl-C stops it.
	@$(BIN)/python -m local run --port $(PORT) --follow-parent

stack: .venv/runtime.stamp node_modules/runtime.stamp  ## Start only the servers the app needs, for `flask run --debug`.
	@$(BIN)/python -m local stack --follow-parent

test: lint node_modules/complete.stamp  ## Check the code and test the whole product against real servers.
	@echo "The two halves of the tests run side by side. Each shows its output when it ends, after some minutes."
	@$(MAKE) --no-print-directory --jobs 2 --keep-going --output-sync=line test-folders test-files

# The two halves of the tests take about the same time, and two cores run them side by side.
test-folders:
	$(BIN)/python -m pytest -m "not proof" $(filter-out %__pycache__/,$(wildcard tests/*/)) tests/test_l*.py

test-files:
	$(BIN)/python -m pytest -m "not proof" tests/test_[!l]*.py

proof: .venv/complete.stamp node_modules/complete.stamp  ## Run the long proofs: interleavings, failovers, faults, hostile requests, a million rows.
	$(BIN)/python -m pytest -m proof

lint: .venv/complete.stamp  ## Check style, types and the direction of imports.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

soak: .venv/complete.stamp node_modules/complete.stamp  ## Look for stale reads under load and faults for long (MINUTES=10).
	SOAK_MINUTES=$(MINUTES) $(BIN)/python -m pytest -s --timeout 0 tests/freshness/test_faults.py tests/freshness/test_outage_cost.py

audit: .venv/complete.stamp  ## Ask for known vulnerabilities (network), look at licences; 1: found, 2: could not ask.
	-@$(BIN)/python -m venv .local/audit
	-@.local/audit/bin/python -m pip install --quiet --disable-pip-version-check $(PIP_AUDIT)
	@$(BIN)/python -m local.audit .local/audit/bin/pip-audit

bench: .venv/complete.stamp .venv/bench.stamp node_modules/complete.stamp  ## Measure ourselves beside the limit and the alternatives; Linux, two idle cores.
	$(BIN)/python -m benchmarks

bench-quick: .venv/complete.stamp .venv/bench.stamp node_modules/complete.stamp  ## The same for a look: less of it, in 90 s at most.
	$(BIN)/python -m benchmarks --quick

bench-docs: bench  ## Measure, and put the figures into docs/performance.md.
	$(BIN)/python -m benchmarks.document

format: .venv/complete.stamp  ## Rewrite the code in the one style.
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: .venv/pyvenv.cfg  ## Make the lock files anew from pyproject.toml and package.json.
	$(BIN)/python -m venv .local/uv
	.local/uv/bin/python -m pip install --quiet $(UV)
	for extra in '' local dev bench; do \
		.local/uv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
			--no-emit-package asin-desk --no-emit-index-url --custom-compile-command "make lock" \
			$$(test "$$extra" != bench || echo --constraints requirements-dev.txt) \
			$${extra:+--extra $$extra} pyproject.toml -o requirements$${extra:+-$$extra}.txt || exit 1; done
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements-local.txt
	$(NPM) install --package-lock-only

clean:  ## Remove everything that was installed or made here, the local data too.
	rm -rf .venv .local node_modules .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# --- Installing: each stamp is as new as the lock file it was made from.

.venv/pyvenv.cfg:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed; set PYTHON= to one."; exit 1; }
	$(PYTHON) -m venv .venv

.venv/runtime.stamp: requirements-local.txt | .venv/pyvenv.cfg
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-local.txt
	touch $@

.venv/complete.stamp: requirements-dev.txt | .venv/pyvenv.cfg
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	touch $@ .venv/runtime.stamp

.venv/bench.stamp: requirements-bench.txt | .venv/pyvenv.cfg
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-bench.txt
	touch $@ .venv/runtime.stamp

node_modules/runtime.stamp: package-lock.json | .venv/runtime.stamp
	$(NPM) install --no-save --omit=dev
	touch $@

node_modules/complete.stamp: package-lock.json | .venv/complete.stamp
	$(NPM) install --no-save
	touch $@ node_modules/runtime.stamp
