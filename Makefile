# Every target does its own set-up, and skips what is done. `make help` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV := .venv
BIN := $(VENV)/bin
MODELS := $(CURDIR)/var/models
PYTHONS := python3.11 python3.12 python3.13 python3
PYTEST_ARGS ?=
# Processes that tests are spread over, file by file; each has a Prefect server and a PostgreSQL of its own.
TEST_PROCESSES ?= 2
# What coverage does in other processes than those of the tests: see pyproject.toml.
export COVERAGE_PATCH = _exit

# What is installed is known by the contents of what describes it: a stamp for each, named by its hash.
hash = $(shell cat $(1) | sha256sum | cut -c1-16)
STAMPS := $(VENV)/stamps
PROJECT := $(STAMPS)/project-$(call hash,pyproject.toml)
CPU := $(STAMPS)/cpu-$(call hash,locks/cpu.lock)
# The packages of the tests include those of the product.
BASE := $(if $(wildcard $(CPU)),$(CPU),$(STAMPS)/base-$(call hash,locks/base.lock))

.PHONY: help demo serve extras test coverage check bench bench-quick wheel clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(BASE) $(PROJECT) $(MODELS)/tiny.en/manifest.json ## Transcribe real speech through API, Prefect and worker, then stop
	@WOA_MODELS_DIR=$(MODELS) $(BIN)/woa demo

# In a clone, data lies in var/ unless somebody says otherwise, beside the weights that the demonstration pulled.
serve: $(BASE) $(PROJECT) ## Start everything and keep it running until Ctrl-C
	@if [ -z "$${WOA_DATA_DIR:-}" ] && ! grep -qs '^WOA_DATA_DIR=' .env; then export WOA_DATA_DIR=$(CURDIR)/var; fi; \
	exec $(BIN)/woa serve

extras: $(CPU) $(PROJECT) $(MODELS)/pyannote/manifest.json ## Install what diarization, alignment, punctuation and evaluation need

test: $(CPU) $(PROJECT) $(MODELS)/tiny.en/manifest.json $(MODELS)/base/manifest.json $(MODELS)/pyannote/manifest.json ## Run the tests, with branch coverage
	@$(BIN)/pytest -n $(TEST_PROCESSES) --dist loadfile --no-loadscope-reorder --cov --cov-branch --cov-fail-under=85 --cov-report=term $(PYTEST_ARGS)

coverage: COVERAGE_PATCH = subprocess
coverage: test ## Run the tests, and measure the processes that they start too; half as long again

check: $(CPU) $(PROJECT) ## Lint, check formatting, types and the floors
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

bench: $(CPU) $(PROJECT) $(MODELS)/tiny.en/manifest.json $(MODELS)/base/manifest.json ## Measure speed, memory and accuracy
	@WOA_MODELS_DIR=$(MODELS) $(BIN)/python -m benchmarks

bench-quick: $(CPU) $(PROJECT) $(MODELS)/tiny.en/manifest.json $(MODELS)/base/manifest.json ## Check the invariants of the benchmarks only
	@WOA_MODELS_DIR=$(MODELS) $(BIN)/python -m benchmarks --quick

wheel: $(BASE) ## Build the wheel into dist/
	@$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist .
	@ls dist/*.whl

clean: ## Remove the virtual environment, caches and the demonstration's data; weights and other data stay
	@rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .coverage .coverage.* var/demo
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@for name in $(PYTHONS); do \
	  if $$name -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then \
	    echo "Creating $(VENV) with $$($$name --version)"; \
	    $$name -m venv $(VENV) && exit 0; \
	    rm -rf $(VENV); \
	    echo "$$name cannot make virtual environments; on Debian and Ubuntu install python3-venv." >&2; \
	  fi; \
	done; \
	echo "No usable Python found: install Python 3.11, 3.12 or 3.13, or name one: make PYTHONS=/path/to/python" >&2; exit 1

# Exactly what the lock says, and nothing that pip would add; a line now and then, since it takes a minute or two.
define install
@echo "Installing up to $$(grep -c == locks/$(1).lock) packages of locks/$(1).lock"
@{ $(BIN)/python -m pip install --disable-pip-version-check --no-input --progress-bar off --no-deps \
    -r locks/$(1).lock 2> $(VENV)/pip.log || { cat $(VENV)/pip.log >&2; exit 1; }; } \
  | awk '/^(Collecting|Requirement already)/ { if (++n % 20 == 0) { print "  " n " packages"; fflush() } } \
         /^Installing/ { print "  writing them to $(VENV)"; fflush() }'
@mkdir -p $(STAMPS) && rm -f $(STAMPS)/$(1)-* && touch $@
endef

$(STAMPS)/base-%: | $(BIN)/python
	$(call install,base)

$(STAMPS)/cpu-%: | $(BIN)/python
	$(call install,cpu)

$(PROJECT): | $(BASE)
	@echo "Installing the project itself"
	@$(BIN)/python -m pip install --disable-pip-version-check --no-input --quiet --no-deps --editable .
	@mkdir -p $(STAMPS) && rm -f $(STAMPS)/project-* && touch $@

$(MODELS)/%/manifest.json: | $(BASE) $(PROJECT)
	@WOA_MODELS_DIR=$(MODELS) $(BIN)/woa models pull $*
