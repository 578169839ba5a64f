# make demo: see it work.  make test: everything that CI runs.  make test-fast: the quick ones, while you work.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
UV     := $(BIN)/uv
# What starts no processes of its own: the pure core, and the edges next to it.
QUICK  := $(addprefix tests/,format planning render source test_diagnostics.py test_diagnostics_docs.py)
DEMO   ?= $(shell mktemp -d)/iris-demo

export UV_PYTHON_DOWNLOADS = never

.PHONY: demo test test-fast lint soak clean
.DELETE_ON_ERROR:

$(UV):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "mlgit needs Python 3.11 or newer; name one: make PYTHON=python3.12"; exit 1; }
	@echo "making $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv

$(VENV)/installed: $(UV) pyproject.toml
	@echo "installing mlgit"
	@$(UV) pip install --quiet --python $(BIN)/python --editable .
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed
	@echo "installing what the tests need"
	@$(UV) pip install --quiet --python $(BIN)/python --group dev
	@touch $@

demo: $(VENV)/installed
	@MLGIT=$(CURDIR)/$(BIN)/mlgit sh docs/demo.sh $(DEMO)

lint: $(VENV)/installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

test-fast: $(VENV)/installed-dev
	$(BIN)/python -m pytest -n 2 -m "not slow and not soak" -q $(QUICK)

test: lint
	$(BIN)/python -m pytest -n 2 -m "not soak" --cov --cov-report=term

soak: $(VENV)/installed-dev
	$(BIN)/python -m pytest -n 2 -m soak

clean:
	rm -rf $(VENV) dist build .coverage* .mypy_cache .ruff_cache .pytest_cache
