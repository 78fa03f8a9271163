# Every target sets up what it needs: on a fresh clone only python3, pip and make have to be there.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/installed

.PHONY: demo test check lint types bench docs clean

demo: $(STAMP)  ## the main job on real processes; its exit status says whether its claims held
	$(BIN)/python examples/demo.py

test: $(STAMP)  ## all tests
	$(BIN)/python -m pytest -q

check: lint types test  ## exactly what CI runs

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)
	$(BIN)/mypy

bench: $(STAMP)  ## the benchmarks, as ratios within one run
	$(BIN)/python -m bench

docs: $(STAMP)  ## write docs/reference anew from the code
	$(BIN)/python docs/generate.py

clean:
	rm -rf $(VENV)

$(STAMP): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable . --group dev
	touch $@
