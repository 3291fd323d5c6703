# Espalier. `make help` lists what there is.

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin

SPACE   ?= colorizer
DATA    ?= photos
TRIALS  ?= 24
WORKERS ?= 2
SEED    ?= 0
LIMIT   ?= $(if $(filter colorizer,$(SPACE)),latency_ms=book)
OUT     ?= runs/$(subst :,-,$(subst /,-,$(SPACE)))

.DEFAULT_GOAL := help
.PHONY: help install install-dev search resume test test-slow lint types examples bench check wheel clean

help:  ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1	\2/' | expand -t 22
	@echo
	@echo '  make search TRIALS=40 DATA=path/or/gs://prefix SPACE=file.py:function LIMIT=latency_ms=5 OUT=runs/mine'

install: $(VENV)/.installed  ## .venv with the locked dependencies and the command nas

$(VENV)/.installed: requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

install-dev: $(VENV)/.installed-dev  ## the same, with what tests, lint and benchmarks need

$(VENV)/.installed-dev: $(VENV)/.installed requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.lock
	@touch $@

search: install  ## the main job: search, tune, train, export, report
	@exec $(BIN)/nas search '$(SPACE)' --data '$(DATA)' --trials '$(TRIALS)' --workers '$(WORKERS)' --seed '$(SEED)' \
		$(addprefix --at-most ,$(LIMIT)) --full --out '$(OUT)'

resume: install  ## continue an interrupted search (OUT=...)
	@exec $(BIN)/nas resume '$(OUT)'

test: install-dev  ## the test suite
	$(BIN)/python -m pytest -m "not slow"

test-slow: install-dev  ## the long checks too
	$(BIN)/python -m pytest

lint: install-dev  ## ruff
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: install-dev  ## mypy on the public packages
	$(BIN)/mypy

examples: install-dev  ## runs every example
	@set -e; for file in examples/*.py; do echo "== $$file"; $(BIN)/python $$file; done

bench: install-dev  ## the figures of docs/benchmarks.md, as ratios in one run
	$(BIN)/python -m benchmarks

check: lint types test examples  ## what CI runs

wheel: install-dev  ## a wheel in dist/
	$(BIN)/python -m build --wheel

clean:  ## removes build products, keeps runs/ and .venv
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
