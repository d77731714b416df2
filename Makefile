# `make help` lists the targets. Everything is installed into .venv, nothing into the system.
SHELL := /bin/sh
PY := .venv/bin/python
TESTED := studio vault pipelines evaluation benchmarks scripts tests manage.py

.DEFAULT_GOAL := help
.PHONY: help run setup extra test test-heavy test-services chaos lint check format lock bench banking77 doctor docs web-assets clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## Start the Studio (installs what is missing; STUDIO_PORT=8010 make run for another port)
	@sh scripts/setup.sh run
	@exec $(PY) manage.py up

setup: ## Install everything, tools for tests included, into .venv
	@sh scripts/setup.sh dev

extra: ## Install an optional part: NAME=benchmarks, names, pdf or postgres
	@sh scripts/setup.sh run
	@$(PY) scripts/extra.py "$(NAME)"

test: setup ## Run the test suite, JOBS=2 processes at a time
	@$(PY) -m pytest -n $(or $(JOBS),2) --dist loadfile --no-loadscope-reorder

test-heavy: setup ## Run the tests that take minutes or gigabytes
	@$(PY) -m pytest -m heavy

test-services: setup ## Run the job, run and database tests against real PostgreSQL and Redis servers
	@bash scripts/test_services.sh

chaos: setup ## Kill parts of a Studio at random KILLS=100 times while it distils, on SQLite and on real servers
	@$(PY) -u -m tests.chaos --kills $(or $(KILLS),100)
	@bash scripts/with_services.sh $(PY) -u -m tests.chaos --kills $(or $(KILLS),100)

lint: setup ## Check formatting, style, types, templates, migrations and built assets
	@bash scripts/lint.sh

check: lint test ## What CI runs: lint and test

format: setup ## Format Python and templates
	@$(PY) -m ruff check --fix $(TESTED)
	@$(PY) -m ruff format $(TESTED)
	@.venv/bin/djhtml --tabwidth 2 templates

doctor: ## Look for what is wrong with this installation
	@sh scripts/setup.sh run
	@$(PY) manage.py doctor

banking77: ## Distil Banking77 from DATA=folder (train.csv, test.csv) to OUT=folder (about 15 minutes an epoch on 2 cores)
	@sh scripts/setup.sh run
	@sh scripts/banking77.sh "$(DATA)"

bench: ## Compare with what people use today on DATA=folder with train.csv (installs trl)
	@sh scripts/setup.sh bench
	@for script in benchmarks/[a-z]*.py; do echo "== $$script"; $(PY) "$$script" --data "$(DATA)" || exit 1; done

lock: setup ## Resolve pyproject.toml anew into the lock files
	@$(PY) scripts/lock.py

docs: setup ## Write the settings table of docs/operations.md anew
	@$(PY) scripts/docs.py

web-assets: ## Build the styles and gather the vendored browser code (needs Node)
	@npm ci && npm run build

clean: ## Remove .venv and caches; the data folder stays
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache node_modules
