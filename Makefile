# Two commands do everything on a machine with Python ≥ 3.11, pip and make: `make quickstart` and `make test`.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: quickstart test check tests slow gpu generated format clean

quickstart: $(VENV)/.installed                ## install, then run a whole study on the built-in data
	$(BIN)/textune run examples/quickstart.yaml --fresh

test: check tests                             ## what CI runs

check: $(VENV)/.installed-test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

tests: $(VENV)/.installed-test
	$(BIN)/pytest -m "not slow" -n 2

slow: $(VENV)/.installed-test                 ## tests that take minutes
	$(BIN)/pytest -m slow

gpu: $(VENV)/.installed-test                  ## tests that need a CUDA GPU; what its libraries warn of is theirs
	$(BIN)/pytest -m gpu -n 4 -W default

generated: $(VENV)/.installed-test            ## the schema and the reference page, from the code
	$(BIN)/textune schema > schema/study.schema.json
	$(BIN)/python docs/reference.py > docs/study-file.md

format: $(VENV)/.installed-test
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Textune needs Python 3.11 or newer: make PYTHON=python3.11 …")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(INSTALL) --editable .
	touch $@

$(VENV)/.installed-test: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(INSTALL) --editable '.[test]'
	touch $@ $(VENV)/.installed

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis
