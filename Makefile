# The development workflow. `make` lists the targets. Each target first installs what it needs.
SHELL := /bin/bash
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
HOST ?= 127.0.0.1
PORT ?= 8000
NODE_BIN := node_modules/.bin

# Container images of Python set it. Every test process would then compile all tests again, which takes seconds.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help

.PHONY: help run demo test coverage soak bench check lint lint-python lint-scripts types imports migrations format hooks audit environment programs pictures lock clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

run: $(VENV)/run.stamp  ## build, migrate the embedded database, serve on http://127.0.0.1:8000
	$(BIN)/issue-tracker serve --host $(HOST) --port $(PORT)

demo: $(VENV)/run.stamp  ## fill an empty database with an invented helpdesk
	$(BIN)/issue-tracker demo

# One process more than there are usually cores, because tests wait for servers, browsers and commands that they start.
test: environment  ## run all tests, on SQLite and PostgreSQL, and pages in Chromium
	$(BIN)/pytest -n 3 --dist loadgroup

coverage: environment  ## run all tests and report which lines of the product they execute
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -n 3 --dist loadgroup
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

soak: environment  ## inject failures into databases under load, and check them (CONTRIBUTING.md lists the phases)
	PYTHONPATH=. $(BIN)/python -m tests.soak $(if $(PHASE),--phase $(PHASE)) $(if $(FROM),--from $(FROM)) \
		$(if $(DATABASE),--database $(DATABASE)) $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(SECONDS),--seconds $(SECONDS))

# `test` includes the tests of the migrations. Everything before it uses two cores as well: scripts and style sheets are
# checked while Python's packages are being installed.
check:  ## run everything that CI runs
	$(MAKE) --no-print-directory --jobs 2 --output-sync=target environment lint-scripts types lint imports
	$(MAKE) --no-print-directory test

lint: lint-python lint-scripts  ## check Python, scripts, style sheets and templates

lint-python: $(VENV)/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/djlint --lint --quiet src/issue_tracker/templates

lint-scripts: node_modules/.stamp
	$(NODE_BIN)/eslint .
	$(NODE_BIN)/tsc
	$(NODE_BIN)/stylelint --max-warnings 0 "src/issue_tracker/static/css/**/*.css"
	$(NODE_BIN)/prettier --log-level warn --check .

types: $(VENV)/dev.stamp  ## check the types of the Python code
	$(BIN)/mypy

imports: $(VENV)/dev.stamp  ## check that imports follow the layers
	$(BIN)/lint-imports

migrations: environment  ## check the migrations on both databases
	$(BIN)/pytest -q tests/test_migrations.py

format: $(VENV)/dev.stamp node_modules/.stamp  ## format Python, scripts and style sheets, and fix what can be fixed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(NODE_BIN)/eslint --fix .
	$(NODE_BIN)/stylelint --fix "src/issue_tracker/static/css/**/*.css"
	$(NODE_BIN)/prettier --log-level warn --write .

hooks: $(VENV)/dev.stamp node_modules/.stamp  ## check each commit before it is made
	$(BIN)/pre-commit install

audit: $(VENV)/dev.stamp node_modules/.stamp  ## check the pinned packages for known vulnerabilities
	./scripts/audit $(BIN)

bench: $(VENV)/bench.stamp  ## measure side by side and print a table (BENCH=quick for a short one)
	./scripts/bench-environment
	./scripts/test-environment
	PYTHONPATH=src:. $(BIN)/python -m bench

environment: $(VENV)/dev.stamp programs  ## install what tests need: packages, PostgreSQL, Chromium and Node

# After Node: the system's package manager installs one thing at a time.
programs: node_modules/.stamp
	./scripts/test-environment

# Without ensurepip (Debian's python3 without python3-venv) this fails and leaves a Python without pip. It must be
# removed, or the next run would consider the environment complete.
$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV) || { rm -f $@; exit 1; }

# The build tools are in a separate folder, so that the environment contains only what the server needs.
$(VENV)/run.stamp: requirements.txt requirements-build.txt pyproject.toml | $(VENV)/bin/python
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --upgrade --target $(VENV)/build-tools -r requirements-build.txt
	PYTHONPATH=$(abspath $(VENV)/build-tools) $(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	$(BIN)/python -m compileall -q src  # otherwise each of the first processes would compile it
	touch $@

$(VENV)/dev.stamp: requirements-dev.txt client/pyproject.toml $(VENV)/run.stamp
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e client
	touch $@

$(VENV)/bench.stamp: requirements-bench.txt $(VENV)/dev.stamp
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-bench.txt
	touch $@

node_modules/.stamp: package.json package-lock.json
	./scripts/test-environment node
	npm ci --silent
	touch $@

pictures: environment  ## take the pictures of the README from a demonstration
	$(BIN)/python scripts/pictures.py

lock:  ## pin the dependencies of pyproject.toml and package.json, with hashes (needs uv and npm)
	./scripts/lock

clean:  ## remove everything that make has built
	rm -rf $(VENV) node_modules build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
