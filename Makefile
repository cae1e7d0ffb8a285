# The workflow. `make run` serves the product, `make test` proves it, `make check` is what CI runs.
SHELL := /bin/bash
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
HOST ?= 127.0.0.1
PORT ?= 8000

.PHONY: run test check lint types imports migrations lock format clean demo environment pictures soak bench

run: $(VENV)/run.stamp  ## build, migrate the embedded database, serve on http://127.0.0.1:8000
	$(BIN)/issue-tracker serve --host $(HOST) --port $(PORT)

demo: $(VENV)/run.stamp  ## fill an empty database with a believable helpdesk
	$(BIN)/issue-tracker demo

# One process more than cores: tests wait for servers, browsers and commands that they start.
test: environment  ## the whole suite, on SQLite and PostgreSQL, pages in Chromium
	$(BIN)/pytest -n 3 --dist loadgroup

soak: environment  ## many writers, many stream listeners, on both databases, at full length
	PYTHONPATH=. $(BIN)/python -m tests.events.soak

check: lint types imports migrations test  ## what CI runs

lint: $(VENV)/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/dev.stamp
	$(BIN)/mypy

imports: $(VENV)/dev.stamp
	$(BIN)/lint-imports

migrations: environment
	$(BIN)/pytest -q tests/test_migrations.py

format: $(VENV)/dev.stamp
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/bench.stamp  ## measure side by side, print one table of ratios (BENCH=quick for a short one)
	./scripts/bench-environment
	./scripts/test-environment
	PYTHONPATH=src:. $(BIN)/python -m bench

environment: $(VENV)/dev.stamp  ## what tests need beyond Python: PostgreSQL and Chromium
	./scripts/test-environment

# Without ensurepip (Debian's python3 without python3-venv) this fails, but leaves a Python that has no pip: it must go,
# or the next run would take the environment for a whole one.
$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV) || { rm -f $@; exit 1; }

$(VENV)/run.stamp: requirements.txt pyproject.toml | $(VENV)/bin/python
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

$(VENV)/dev.stamp: requirements-dev.txt client/pyproject.toml $(VENV)/run.stamp
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e client
	touch $@

$(VENV)/bench.stamp: requirements-bench.txt $(VENV)/dev.stamp
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-bench.txt
	touch $@

pictures: environment  ## the pictures of the README, from a demonstration
	$(BIN)/python scripts/pictures.py

lock:  ## pin the dependencies of pyproject.toml, with hashes (needs uv)
	./scripts/lock

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
