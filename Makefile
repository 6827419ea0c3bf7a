# Each target does its own set-up: Python 3.11 and make are all it needs.
SHELL := /bin/bash
PYTHON ?= $(shell command -v python3.11 || command -v python3)
UV_VERSION := 0.13.9
UV := .uv/bin/python -m uv
EMMA := .venv/bin/emma
SERVE ?= 1
DEMO ?=

# Where nothing compiled is kept, each process compiles the package anew: 0.8 s of CPU each.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo serve dev test test-long lint bench docs clean
.DEFAULT_GOAL := help

help:
	@echo "make demo     a made-up chain through every layer, its scorecard, then the page (SERVE=0: without)"
	@echo "make test     every test and check (make test-long: more kills, histories and minutes)"
	@echo "make serve    the page and Dagster behind one sign-in, on your own files (EMMA_HOME, default .emma)"
	@echo "make dev      for developers, without sign-in: the Dagster UI and daemon on your own files (EMMA_HOME, default .emma)"
	@echo "make lint     format, lint, types, import rules"
	@echo "make bench    every number beside its rival, minutes (BENCH='--size full': hours; --only P1,P4; --help)"
	@echo "make docs     write docs/tables.md and docs/commands.md again"

.uv/.ready:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || { echo "Python 3.11 is needed; set PYTHON to it: make PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv .uv
	.uv/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@touch $@

.venv/.ready: .uv/.ready pyproject.toml uv.lock
	$(UV) sync --frozen --quiet --compile-bytecode --python $(PYTHON)
	@touch $@

demo: .venv/.ready
	$(EMMA) demo $(if $(filter 0,$(SERVE)),--no-serve) $(DEMO)

serve: .venv/.ready
	$(EMMA) serve --dagster

dev: .venv/.ready
	$(EMMA) dev

# Three processes on two cores: while one waits for Dagster, a browser or a clock, another has its core.
test: lint
	.venv/bin/pytest -n 3 --dist worksteal -q

test-long: export EMMA_TEST_KILLS ?= 50
test-long: export EMMA_TEST_HISTORIES ?= 200
test-long: export EMMA_TEST_MINUTES ?= 10
test-long: export EMMA_TEST_BENCHMARKS ?= 1
test-long: test

lint: .venv/.ready
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/lint-imports

bench: .venv/.ready
	.venv/bin/python -m benchmarks $(BENCH)

docs: .venv/.ready
	.venv/bin/python -m emma_platform.docs

clean:
	rm -rf .venv .uv .demo .pytest_cache .mypy_cache .ruff_cache .hypothesis
