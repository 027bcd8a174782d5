# The only list of commands; the README, pre-commit and CI call it.
VENV := .venv
BIN := $(VENV)/bin
# Whole files go to a worker: their tests share models and servers.
N_WORKERS ?= 2
# Hundreds of child processes would each compile our modules anew where the environment forbids to keep them.
PYTEST := PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n $(N_WORKERS) --dist loadfile

.PHONY: help up demo setup models test test-all check fmt lint types bench clean

help:  ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 14

up: setup  ## install, prepare models, index the samples, serve UI and API
	@$(BIN)/quire up

demo: setup  ## index the samples, ask one question in the terminal, exit
	@$(BIN)/quire demo

setup: $(VENV)/.installed  ## create .venv, install pinned packages and the starter models

$(VENV)/.installed: pyproject.toml constraints.txt deploy/setup.sh deploy/starters.txt
	@sh deploy/setup.sh

$(VENV)/.dev: $(VENV)/.installed deploy/setup_tests.sh
	@sh deploy/setup_tests.sh

models: setup  ## prepare the models only
	@$(BIN)/quire prepare

test: $(VENV)/.dev  ## all tests but the slow ones; installs what is missing
	$(PYTEST) -m "not slow"

test-all: $(VENV)/.dev  ## all tests, the slow ones too
	$(PYTEST)

check: lint types test  ## what CI runs

fmt: $(VENV)/.dev  ## format, mend what can be mended
	$(BIN)/ruff format . && $(BIN)/ruff check --fix .

lint: $(VENV)/.dev  ## style
	$(BIN)/ruff format --check --no-cache . && $(BIN)/ruff check --no-cache .

types: $(VENV)/.dev  ## mypy, strict
	$(BIN)/mypy

bench: $(VENV)/.dev  ## measure, print tables
	$(BIN)/python -m bench.engine && $(BIN)/python -m bench.ingest

clean:  ## remove what was installed here (documents and models in ~/.quire stay)
	rm -rf $(VENV) build *.egg-info
