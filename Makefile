# Stoa's commands. `make` alone lists them.
SHELL := /bin/sh
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
MANAGE := $(BIN)/python manage.py
# In any order; whoever is done first takes over tests from the others. Three processes for two cores, as tests wait for a
# third of the time: for servers to start, for limits to pass. It lists the ten slowest at the end.
CORES := $(shell nproc 2>/dev/null || echo 2)
WORKERS ?= $(shell echo $$(( ($(CORES) * 3 + 1) / 2 )))
IN_PARALLEL := -n $(WORKERS) --dist worksteal --durations=10 --durations-min=1
# One order for `make test`, so that it fails for a change and not by chance; `make battery` looks for others.
ORDER ?= 1
IN_ORDER := $(IN_PARALLEL) --randomly-seed=$(ORDER)
# What runs over PostgreSQL as well: the contracts of what differs between the databases, whatever has SQL of its own, and
# some of the promises to students. Of these files, the tests that touch the database.
PROMISES := plain tokens own_keys over_quota appeals requests_for_more recorded disconnect crash idempotency_over_processes
FAULTS := f01_kill f19_postgresql f55_disconnect
OVER_BOTH := -m "database and not battery" tests/contracts tests/postgresql tests/common tests/quotas \
	tests/services/test_versions.py tests/services/records/test_keeping.py \
	tests/accounts/test_audit*.py tests/accounts/test_sightings.py tests/accounts/tokens/test_families.py \
	tests/conversations/test_calls.py tests/conversations/test_draining*.py \
	tests/conversations/test_search.py tests/chat/unit/test_claims.py \
	$(PROMISES:%=tests/chat/test_%.py) $(FAULTS:%=tests/faults/test_%.py)
# `make coverage` runs the same tests traced.
PYTEST := $(BIN)/pytest
# What must be covered to the last branch: the ledger, the pump and the pipeline.
WHOLE := apps/quotas/ledger/ledger.py,apps/quotas/ledger/decide.py,apps/quotas/ledger/rows.py,apps/quotas/ledger/leases.py,apps/chat/relay/attempts.py,apps/chat/relay/beginnings.py,apps/chat/relay/concurrency.py,apps/chat/relay/pump.py,apps/chat/relay/passing.py,apps/chat/relay/stopping.py,apps/chat/relay/live.py,apps/chat/accounting/account.py,apps/chat/pipeline.py
ON_POSTGRESQL := tests/faults/test_f19_postgresql.py tests/faults/test_f01_kill.py tests/faults/test_chaos.py
# CHAOS_SEED repeats a run of tests/faults/test_chaos.py, CHAOS_SECONDS is its length.
# Where the property tests are.
PROPERTIES := tests/providers/health tests/quotas tests/rules tests/chat/unit tests/conversations tests/accounts/test_keys.py
export GATEWAY_ENV ?= development

.DEFAULT_GOAL := help
.PHONY: help install run test coverage browser check format docs lock bench profile battery clean

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

# They start so many processes that it takes a minute to compile everything in each of them.
test: $(VENV)/.dev browser ## Run the tests, over SQLite and PostgreSQL (ARGS="tests/rules -x" runs some, over SQLite)
	env -u DATABASE_URL -u PYTHONDONTWRITEBYTECODE $(PYTEST) $(or $(ARGS),$(IN_ORDER))
	$(if $(ARGS),,env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m tests.servers $(PYTEST) $(IN_ORDER) $(OVER_BOTH))

coverage: $(VENV)/.dev ## Run the tests and measure what they cover (slower; run it before you close an issue)
	$(BIN)/coverage erase
	$(MAKE) test PYTEST="$(BIN)/coverage run -m pytest"
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report $(if $(ARGS),,--fail-under=85)
	$(if $(ARGS),,$(BIN)/coverage report --include=$(WHOLE) --fail-under=100)

battery: $(VENV)/.dev ## Run the long faults (FAULT=F55 or chaos picks one, ROUNDS=100 repeats more) and long property tests
	env -u DATABASE_URL $(BIN)/pytest -m battery -p no:randomly tests/faults tests/services $(if $(FAULT),-k $(FAULT)) || test $$? = 5
	$(BIN)/python -m tests.servers $(BIN)/pytest -m battery -p no:randomly $(ON_POSTGRESQL) $(if $(FAULT),-k $(FAULT)) || test $$? = 5
	$(if $(FAULT),,$(BIN)/pytest --hypothesis-profile=battery $(IN_PARALLEL) $(PROPERTIES))
	$(if $(FAULT),,$(MAKE) test ORDER=$$(date +%s))

browser: $(VENV)/.dev ## Find a browser for the tests; as root on Debian, install one if there is none
	@$(BIN)/python -m tests.e2e.browser

check: $(VENV)/.dev ## Check format, style, types, imports, migrations, docs, alerts, words and marks for translation
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m gateway_project.settings_page --check
	$(BIN)/python -m gateway_project.roles_page --check
	$(BIN)/python -m gateway_project.reference --check
	$(BIN)/python -m gateway_project.monitoring --check
	$(BIN)/python -m gateway_project.vocabulary
	$(BIN)/python -m gateway_project.unmarked
	$(BIN)/python -m gateway_project.names --check
	$(MANAGE) makemigrations --check --dry-run
	$(MANAGE) check --fail-level WARNING

format: $(VENV)/.dev ## Format the code and mend what can be mended
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(VENV)/.dev ## Make docs/settings.md, roles.md, reference.md and trouble.md, deploy/grafana and tests/openapi anew
	$(BIN)/python -m gateway_project.settings_page
	$(BIN)/python -m gateway_project.roles_page
	$(BIN)/python -m gateway_project.reference
	$(BIN)/python -m gateway_project.names
	$(BIN)/python -m gateway_project.monitoring
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
