# `make demo` and `make test` need Python 3.11+ and a package index, nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# One more than there are processors: many tests wait for processes and sockets.
WORKERS ?= $(shell echo $$(( $$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2) + 1 )))

# As after an installation: the demo alone starts some twenty processes, and each would compile the same modules.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo test lint types bench crash simulate clean

help: ## This list
	@awk -F':.*## ' '/^[a-z]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "make: Python 3.11 or newer is needed; this is $$($(PYTHON) --version). Try: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

demo: $(STAMP) ## See it work: both systems simulated on this machine, under a minute
	@$(BIN)/ct-mao-sync demo

test: $(STAMP) ## The tests: offline, about two minutes
	@$(BIN)/pytest -n $(WORKERS) --dist worksteal -m "not slow"

lint: $(STAMP) ## ruff
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: $(STAMP) ## mypy, strict, on the package
	@$(BIN)/mypy

crash: $(STAMP) ## kill -9 the real process at many moments, run again, compare (minutes)
	@$(BIN)/pytest -m slow tests/crash tests/jobs

simulate: $(STAMP) ## Thousands of simulated days and of examples (minutes); SEEDS=1000
	@SIMULATION_SEEDS=$(or $(SEEDS),1000) $(BIN)/pytest -n $(WORKERS) tests/simulation
	@$(BIN)/pytest -n $(WORKERS) --hypothesis-profile thorough tests/mapping tests/models
	@$(BIN)/pytest -m slow tests/ops

bench: $(STAMP) ## What each job costs: requests, time, CPU, memory (minutes); JOB=orders
	@$(BIN)/python -m tests.bench $(or $(JOB),all)

clean: ## Remove the virtual environment and caches
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info
