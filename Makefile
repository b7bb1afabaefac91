# Two commands do everything on a fresh machine: `make demo` and `make test`. Both may be run again at once: what is
# done is not done again. `make test-all` adds the tests that take long.
PYTHON ?= python3
# Of the demo: tokens to train on, or minutes that may shorten it.
TOKENS ?=
MINUTES ?=
OUTPUT ?= runs/demo
VENV := .venv
BIN := $(VENV)/bin
# Three processes on two cores, as programs that are judged, and servers, are waited for. A file's tests stay in one
# process, so that what they share is made once; tests/selection.py puts long files first.
PYTEST := $(BIN)/pytest -n 3 --dist loadfile --no-loadscope-reorder --durations 15
unexport PYTHONDONTWRITEBYTECODE  # each process would compile tests and package anew

.PHONY: demo test test-all lint tests all-tests toolchains test-tools clean

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

$(VENV)/.installed: pyproject.toml scripts/create_venv.sh
	scripts/create_venv.sh $(PYTHON) $(VENV)
	$(BIN)/pip install --quiet --editable .
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/pip install --quiet --editable '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis
