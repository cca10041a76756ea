# The two commands of the README set everything up by themselves; a fresh machine needs Python 3.11+ and nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PHOTO ?=
# For tests of networks trained with torch; `make test TORCH=` goes without it, and those tests are skipped.
TORCH ?= torch==2.13.0
.DEFAULT_GOAL := help

.PHONY: help demo test check bench models clean
help:
	@echo "make demo            set up, simulate a cohort, rank held-out patients, write a report"
	@echo "make demo PHOTO=x    the same, with quality and crop of your own photo"
	@echo "make test            set up and run all tests (about six minutes on two cores)"
	@echo "make check           ruff, mypy, import-linter, quick tests"
	@echo "make bench           measure speed and accuracy on this machine"

$(VENV)/.main: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.main
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --group test --group check
	@touch $@

$(VENV)/.torch: $(VENV)/.dev
	$(if $(TORCH),$(BIN)/python -m pip install --quiet --disable-pip-version-check $(TORCH))
	@touch $@

models: $(VENV)/.main
	$(BIN)/deciface models fetch

demo: models
	$(BIN)/deciface demo --no-browser $(if $(PHOTO),--photo "$(PHOTO)")

# Tests that need model files skip with a reason where they cannot be had; everything else runs without them.
test: $(VENV)/.dev
	-$(MAKE) --no-print-directory $(VENV)/.torch
	-$(BIN)/deciface models fetch
	$(BIN)/python -m pytest -n auto -q

check: $(VENV)/.dev
	$(BIN)/ruff check src tests
	$(BIN)/ruff format --check src tests
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -n auto -q -m "not slow"

bench: models
	for name in faces search encode planted simulate store evaluate explain; do $(BIN)/deciface bench $$name || exit $$?; done

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
