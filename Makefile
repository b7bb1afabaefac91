# Two commands do everything on a fresh machine: `make demo` and `make test`. Both may be run again at once: what is
# done is not done again. `make test-all` adds the tests that take long.
PYTHON ?= python3
# Of the demo: tokens to train on, or minutes that may shorten it.
TOKENS ?=
MINUTES ?=
OUTPUT ?= runs/demo
# Versions that all tests ran with, of the ranges in pyproject.toml; `make constraints` takes the newest, to be tested then.
CONSTRAINTS ?= constraints.txt
VENV := .venv
BIN := $(VENV)/bin
# Three processes on two cores, as programs that are judged, and servers, are waited for. A file's tests stay in one
# process, so that what they share is made once; tests/selection.py puts long files first.
PYTEST := $(BIN)/pytest -n 3 --dist loadfile --no-loadscope-reorder --durations 15
unexport PYTHONDONTWRITEBYTECODE  # each process would compile tests and package anew

.PHONY: demo test test-all lint tests all-tests toolchains test-tools constraints clean

demo: $(VENV)/.installed toolchains
	-$(BIN)/multipl-moe doctor
	$(BIN)/multipl-moe demo $(if $(TOKENS),--tokens $(TOKENS)) $(if $(MINUTES),--minutes $(MINUTES)) --output $(OUTPUT)

test: $(VENV)/.installed-dev test-tools
	$(MAKE) --jobs 2 lint tests

test-all: $(VENV)/.installed-dev test-tools
	$(MAKE) --jobs 2 lint all-tests

tests:
	$(PYTEST) -m "not extended"

all-tests:
	$(PYTEST)

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

toolchains:
	@scripts/install_toolchains.sh

test-tools:
	@scripts/install_toolchains.sh tests

$(VENV)/.installed: pyproject.toml $(CONSTRAINTS) scripts/create_venv.sh
	scripts/create_venv.sh $(PYTHON) $(VENV)
	$(BIN)/pip install --quiet --constraint $(CONSTRAINTS) --editable .
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/pip install --quiet --constraint $(CONSTRAINTS) --editable '.[dev]'
	touch $@

constraints:
	rm -rf $(VENV)
	scripts/create_venv.sh $(PYTHON) $(VENV)
	$(BIN)/pip install --quiet --editable '.[dev]'
	$(BIN)/pip freeze --exclude-editable | sed 's/+[a-z].*//' >constraints.txt

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis
