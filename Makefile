# Everything from a bare checkout; see docs/architecture.md for what is where.
PYTHON ?= python3
PHOTOS ?=
PORT ?= 8000
DATA ?=
# cpu | gpu: which FAISS wheel. Both install the same module, so a .venv holds one of them.
comma := ,
FAISS ?= cpu
# Milvus in a file brings the CPU's wheel.
DEVELOP := $(FAISS),demo,dev$(if $(filter cpu,$(FAISS)),$(comma)milvus-lite)

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip install --quiet --constraint constraints.txt

.PHONY: help setup demo test check bench eval clean

help:
	@echo "make demo [PHOTOS=folder] [PORT=8000]   index a folder of pictures, serve API and page"
	@echo "make test | check | setup               the suite | linters, types, migrations | install"
	@echo "make bench | eval DATA=folder           benchmarks | retrieval quality on a labelled folder"

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Noongil needs Python 3.11 or newer: make PYTHON=/path/to/python3.11 …"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.runs: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "Installing Noongil into $(VENV) (PyTorch is large: a few minutes the first time)"
	$(PIP) --editable '.[$(FAISS),demo]'
	@touch $@

$(VENV)/.develops: $(VENV)/.runs
	$(PIP) --editable '.[$(DEVELOP)]'
	@touch $@

setup: $(VENV)/.develops

demo: $(VENV)/.runs
	$(BIN)/noongil demo --port $(PORT) $(if $(PHOTOS),"$(PHOTOS)")

test: $(VENV)/.develops
	$(BIN)/python -m pytest --numprocesses auto --dist worksteal

check: $(VENV)/.develops
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@folder=$$(mktemp -d) && export NOONGIL_DATABASE_URL=sqlite:///$$folder/check.db && \
		$(BIN)/alembic --quiet upgrade head && $(BIN)/alembic check; \
		status=$$?; rm -rf $$folder; exit $$status

bench: $(VENV)/.develops
	for name in encoder batching service whole_service pipeline suggest typed observing backup; do \
		$(BIN)/python -m bench.$$name || exit 1; \
	done
	$(BIN)/python -m bench.living --images 2000 --swaps 5 --writes 50
	$(BIN)/python -m bench.crashes --writes 400 --kills 10
	$(BIN)/python -m bench.index --rows 100000 --sizes 10000 100000 --peer-rows 20000 --family-rows 20000

eval: $(VENV)/.runs
	@test -n "$(DATA)" || { echo "usage: make eval DATA=folder"; exit 2; }
	$(BIN)/noongil eval --data "$(DATA)"

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache
