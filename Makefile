# All commands of the project. `make` or `make help` lists them, and CI runs the same ones (.ci/run).
# They need Python 3.11 or newer. Node.js, Valkey, PostgreSQL and Chromium are installed as pinned packages.
# Nothing is written outside the checkout except the package caches.

.DEFAULT_GOAL := help
.PHONY: help run stack check check-tests test test-folders test-files proof lint soak audit bench bench-quick bench-docs
.PHONY: format lock schema screenshots release clean

PORT ?= 8000
MINUTES ?= 10
UV := uv==0.13.9
PIP_AUDIT := pip-audit==2.10.1

# The first interpreter on PATH that is 3.11 or newer.
PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)

BIN := .venv/bin
# The Node.js package from PyPI contains npm, but installs no `npm` command.
NPM = $(BIN)/python -m local.npm

help:  ## List the commands.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: .venv/runtime.stamp node_modules/runtime.stamp  ## Start everything and show the logs (PORT=8000); Ctrl-C stops it.
	@$(BIN)/python -m local run --port $(PORT) --follow-parent

stack: .venv/runtime.stamp node_modules/runtime.stamp  ## Start Valkey and Supabase without the app, for `flask run --debug`.
	@$(BIN)/python -m local stack --follow-parent

check: .venv/complete.stamp  ## Check style and types, and run the fast tests: about a minute on two idle cores.
	@$(MAKE) --no-print-directory --jobs 2 --keep-going --output-sync=target lint check-tests

# tests/fast.py selects the tests.
check-tests:
	$(BIN)/python -m pytest --quiet -p tests.fast

test: lint node_modules/complete.stamp  ## Check style and types, and run all tests except the long ones: about ten minutes.
	@echo "The two halves of the tests run in parallel. Each shows its output when it ends, after some minutes."
	@$(MAKE) --no-print-directory --jobs 2 --keep-going --output-sync=line test-folders test-files

# The two halves take about the same time on two cores.
test-folders:
	$(BIN)/python -m pytest -m "not proof" $(filter-out %__pycache__/,$(wildcard tests/*/)) tests/test_l*.py

test-files:
	$(BIN)/python -m pytest -m "not proof" tests/test_[!l]*.py

proof: .venv/complete.stamp node_modules/complete.stamp  ## Run the long tests: interleavings, failovers, faults, hostile requests, a million rows.
	$(BIN)/python -m pytest -m proof

# All tools run, also after one has failed.
lint: .venv/complete.stamp  ## Check style, types and the direction of imports.
	@failed=0; run() { echo "$$*"; "$$@" || failed=1; }; \
	run $(BIN)/ruff check .; \
	run $(BIN)/ruff format --check .; \
	run $(BIN)/mypy; \
	run $(BIN)/lint-imports; \
	exit $$failed

soak: .venv/complete.stamp node_modules/complete.stamp  ## Search for stale reads under load and faults for a longer time (MINUTES=10).
	SOAK_MINUTES=$(MINUTES) $(BIN)/python -m pytest -s --timeout 0 tests/freshness/test_faults.py tests/freshness/test_outage_cost.py

audit: .venv/complete.stamp  ## Look up known vulnerabilities (needs the network) and check licences.
	-@$(BIN)/python -m venv .local/audit
	-@.local/audit/bin/python -m pip install --quiet --disable-pip-version-check $(PIP_AUDIT)
	@$(BIN)/python -m local.audit .local/audit/bin/pip-audit

bench: .venv/complete.stamp .venv/bench.stamp node_modules/complete.stamp  ## Measure the application and its alternatives; needs Linux and two idle cores.
	$(BIN)/python -m benchmarks

bench-quick: .venv/complete.stamp .venv/bench.stamp node_modules/complete.stamp  ## A shorter measurement, at most 90 s.
	$(BIN)/python -m benchmarks --quick

bench-docs: bench  ## Measure, and write the figures into docs/performance.md.
	$(BIN)/python -m benchmarks.document

format: .venv/complete.stamp  ## Format the code and fix what can be fixed automatically.
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: .venv/pyvenv.cfg  ## Write the lock files from pyproject.toml and package.json.
	$(BIN)/python -m venv .local/uv
	.local/uv/bin/python -m pip install --quiet $(UV)
	for extra in '' local tracing dev bench; do \
		.local/uv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
			--no-emit-package asin-desk --no-emit-index-url --custom-compile-command "make lock" \
			$$(test "$$extra" != bench || echo --constraints requirements-dev.txt) \
			$${extra:+--extra $$extra} pyproject.toml -o requirements$${extra:+-$$extra}.txt || exit 1; done
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements-local.txt
	$(NPM) install --package-lock-only

schema: .venv/runtime.stamp node_modules/runtime.stamp  ## Write docs/schema.md from the database.
	@$(BIN)/python -m local.schema

screenshots: .venv/complete.stamp node_modules/complete.stamp  ## Write pictures of every page into docs/screenshots/: about three minutes.
	$(BIN)/python -m tests.screenshots

release: .venv/complete.stamp  ## Check that the release is ready, and tag it.
	@$(BIN)/python -m local.release

clean:  ## Remove everything that these commands created, including the local data.
	rm -rf .venv .local node_modules .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# --- Installation. A stamp file is as new as the lock file that was installed.

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
