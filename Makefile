# Stoa's commands. `make` alone lists them.
SHELL := /bin/sh
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
MANAGE := $(BIN)/python manage.py
# A process for each core, in any order; whoever is done first takes over tests from the others.
IN_PARALLEL := -n auto --dist worksteal
# What depends on the database, and runs over both. Tests there that cannot touch it run over SQLite alone.
OVER_BOTH := -m "database and not battery" tests/quotas tests/conversations tests/common tests/chat tests/postgresql \
	tests/faults/test_f01_kill.py tests/faults/test_f19_postgresql.py tests/faults/test_f55_disconnect.py \
	tests/faults/test_chaos.py
# What must be covered to the last branch: the ledger, the pump and the pipeline.
WHOLE := "apps/quotas/ledger/ledger.py,apps/quotas/ledger/decide.py,apps/quotas/ledger/rows.py,apps/quotas/ledger/leases.py,apps/chat/relay/pump.py,apps/chat/pipeline.py"
ON_POSTGRESQL := tests/faults/test_f19_postgresql.py tests/faults/test_f01_kill.py tests/faults/test_chaos.py
# CHAOS_SEED repeats a run of tests/faults/test_chaos.py, CHAOS_SECONDS is its length.
# Where the property tests are.
PROPERTIES := tests/quotas tests/rules tests/chat/unit tests/conversations tests/accounts/test_keys.py
export GATEWAY_ENV ?= development

.DEFAULT_GOAL := help
.PHONY: help install run test browser check format docs lock bench profile battery clean

help: ## List the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/.runtime: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit("Stoa needs Python 3.11 or later.") if sys.version_info < (3, 11) else None'
	@test -x $(BIN)/python -a -x $(BIN)/pip || $(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
		$(PYTHON) -m virtualenv $(VENV) 2>/dev/null; } || { \
		echo "Python's venv module is missing. On Debian and Ubuntu: apt-get install python3-venv"; exit 1; }
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	@touch $@

$(VENV)/.dev: requirements-dev.txt $(VENV)/.runtime
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@touch $@

install: $(VENV)/.dev ## Install everything that developing takes into .venv

run: $(VENV)/.runtime ## Start Stoa on http://127.0.0.1:8000 (PORT=... for another port); Ctrl-C stops it
	@$(MANAGE) migrate --verbosity 0
	@exec $(MANAGE) run

test: $(VENV)/.dev browser ## Run the tests, over SQLite and PostgreSQL (ARGS="tests/rules -x" runs some, over SQLite)
	$(BIN)/coverage erase
	env -u DATABASE_URL $(BIN)/coverage run -m pytest $(or $(ARGS),$(IN_PARALLEL))
	$(if $(ARGS),,$(BIN)/python -m tests.servers $(BIN)/coverage run -m pytest $(IN_PARALLEL) $(OVER_BOTH))
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report $(if $(ARGS),,--fail-under=85)
	$(if $(ARGS),,$(BIN)/coverage report --include=$(WHOLE) --fail-under=100)

battery: $(VENV)/.dev ## Run the long faults (FAULT=F55 or chaos picks one, ROUNDS=100 repeats more) and long property tests
	env -u DATABASE_URL $(BIN)/pytest -m battery -p no:randomly tests/faults $(if $(FAULT),-k $(FAULT)) || test $$? = 5
	$(BIN)/python -m tests.servers $(BIN)/pytest -m battery -p no:randomly $(ON_POSTGRESQL) $(if $(FAULT),-k $(FAULT)) || test $$? = 5
	$(if $(FAULT),,$(BIN)/pytest --hypothesis-profile=battery $(IN_PARALLEL) $(PROPERTIES))

browser: $(VENV)/.dev ## Find a browser for the tests; as root on Debian, install one if there is none
	@$(BIN)/python -m tests.e2e.browser

check: $(VENV)/.dev ## Check format, style, types, imports, migrations and docs
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m gateway_project.settings_page --check
	$(MANAGE) makemigrations --check --dry-run
	$(MANAGE) check --fail-level WARNING

format: $(VENV)/.dev ## Format the code and mend what can be mended
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(VENV)/.dev ## Make docs/settings.md and the OpenAPI documents of tests/openapi anew
	$(BIN)/python -m gateway_project.settings_page
	$(BIN)/python -m tests.openapi

lock: $(VENV)/.dev ## Compile requirements*.txt anew from requirements*.in
	$(BIN)/pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-emit-index-url --python-version 3.11 requirements.in -o requirements.txt
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-emit-index-url --python-version 3.11 requirements-dev.in -o requirements-dev.txt

bench: $(VENV)/.dev ## Measure speed and memory beside the floor, ten minutes (ARGS=--quick takes one, ARGS=--keep keeps it)
	$(BIN)/python -m bench.run $(ARGS)

profile: $(VENV)/.dev ## Print microseconds and Python calls for each stage of the chat path (a minute or two)
	$(BIN)/python -m bench.profile

clean: ## Remove what can be made again; data in ./var stays
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage* htmlcov
