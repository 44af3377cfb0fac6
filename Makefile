# Rota: run it, test it, check it.  `make help` lists the targets.
.DEFAULT_GOAL := help
.SUFFIXES:
.DELETE_ON_ERROR:

VENV ?= .venv
BIN := $(VENV)/bin
# make test ARGS="tests/unit -k cron", make run ARGS="--port 8000"
ARGS ?=
# Processes that run tests at the same time: `auto` is three for two cores, at most 4; for chaos, which waits, twice the cores.
JOBS ?= auto
# make chaos ID=KILL-1 SEED=7
ID ?=
SEED ?=
SIZE ?=
SOAK ?=
export PYTHON
# Tests start hundreds of processes: each would compile again what it imports of them.
unexport PYTHONDONTWRITEBYTECODE

# An environment that was moved with its checkout, or whose Python is gone, is made again.
ifneq ($(shell sh tools/make-venv.sh --fits $(VENV) && echo yes),yes)
  $(shell rm -f $(VENV)/.stamp-*)
endif

.PHONY: help run web test check lint types contracts format openapi bench chaos docs audit ci-deps clean

help: ## this list
	@echo "Rota: the scheduler that accounts for every run"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(VENV)/.stamp-run ## install, then serve on SQLite with demo jobs (Ctrl-C stops it)
	@sh tools/web.sh $(BIN)
	@exec $(BIN)/rota up --demo $(ARGS)

web: $(VENV)/.stamp-run ## build the pages where their sources changed
	@sh tools/web.sh $(BIN)

test: $(VENV)/.stamp-test ## all tests, on SQLite and on a real PostgreSQL
	@sh tools/web.sh $(BIN)
	@$(BIN)/python -m tests.support.postgres_binaries
	@echo "running the tests"
	@$(BIN)/python -m pytest -n $(JOBS) --maxprocesses 4 --dist worksteal $(ARGS)

check: lint types contracts ## lint, types, import contracts

lint: $(VENV)/.stamp-test
	@echo "ruff: lint and format"
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: $(VENV)/.stamp-test
	@echo "mypy: types"
	@$(BIN)/mypy

contracts: $(VENV)/.stamp-test
	@echo "import-linter: layers"
	@$(BIN)/lint-imports --no-logo

format: $(VENV)/.stamp-test ## put the code into its format
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

openapi: $(VENV)/.stamp-test ## write web/openapi.json anew, after a change of the API
	@$(BIN)/python -m tools.openapi

bench: $(VENV)/.stamp-test ## measure, as a table and benchmarks/results.json
	@$(BIN)/python -m tests.support.postgres_binaries
	@$(BIN)/python -m benchmarks $(ARGS)

chaos: $(VENV)/.stamp-test ## break it on purpose at full size; ID="KILL-1 TERM", SEED, SOAK=15m, SIZE=small
	@$(BIN)/python -m tests.support.postgres_binaries
	@$(BIN)/python -m tests.chaos --jobs "$(JOBS)" $(if $(SEED),--seed "$(SEED)") $(if $(SOAK),--soak "$(SOAK)") \
	  $(if $(filter small,$(SIZE)),--small) $(ARGS) $(ID)

docs: $(VENV)/.stamp-docs ## the documentation as pages in build/docs
	@$(BIN)/python -m docs.generate
	@$(BIN)/mkdocs build --strict
	@echo "built build/docs/index.html"

audit: $(VENV)/.stamp-test ## licenses, and what is known of the packages that Rota is built on (asks PyPI and npm)
	@$(BIN)/python -m tools.audit

ci-deps: ## system packages for the tests (needs root and apt-get)
	@sh tools/ci-deps.sh

clean: ## remove everything that the other targets made, but no database
	rm -rf $(VENV) build dist site .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .schemathesis
	find src tests benchmarks tools -name __pycache__ -prune -exec rm -rf {} +

$(VENV)/.stamp-run: pyproject.toml tools/make-venv.sh tools/install.sh
	@sh tools/make-venv.sh $(VENV)
	@sh tools/install.sh $(VENV) -e .
	@touch $@

$(VENV)/.stamp-test: pyproject.toml tools/make-venv.sh tools/install.sh
	@sh tools/make-venv.sh $(VENV)
	@sh tools/install.sh $(VENV) -e '.[test]'
	@touch $(VENV)/.stamp-run $@

$(VENV)/.stamp-docs: pyproject.toml tools/make-venv.sh tools/install.sh
	@sh tools/make-venv.sh $(VENV)
	@sh tools/install.sh $(VENV) -e '.[docs]'
	@touch $@
