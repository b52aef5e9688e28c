# Three targets for people, each doing all its own set-up: `make demo`, `make test` and `make docs`.

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
PIP = $(BIN)/python -m pip install --quiet --constraint constraints.txt
# The CPU build of TensorFlow is a third of the size; it exists for Linux on x86-64 alone.
TENSORFLOW ?= $(if $(filter Linux-x86_64,$(shell uname -s)-$(shell uname -m)),tensorflow-cpu,tensorflow)
# Several threads of PyTorch on few cores hinder one another: a small step then takes ten times as long.
QUIET = TF_CPP_MIN_LOG_LEVEL=3 CUDA_VISIBLE_DEVICES= OMP_NUM_THREADS=1
# As many tests side by side as there are cores, a file's one after another: they share what the file sets up.
PYTEST = $(QUIET) $(BIN)/python -m pytest --numprocesses auto --maxprocesses 8 --dist worksteal

.PHONY: demo test docs lint unit seam e2e clean

demo: $(VENV)/demo
	@$(QUIET) $(BIN)/thalweg run --runs demo --report report.html examples/digits.py || [ $$? -eq 1 ]

test: lint unit seam e2e

docs: $(VENV)/docs
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "The documentation is at $(CURDIR)/site/index.html"

lint: $(VENV)/test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

unit: $(VENV)/test
	$(PYTEST) tests --ignore tests/keras --ignore tests/e2e

seam: $(VENV)/test
	KERAS_BACKEND=tensorflow $(PYTEST) tests/keras
	KERAS_BACKEND=jax $(PYTEST) tests/keras
	KERAS_BACKEND=torch $(PYTEST) tests/keras

e2e: $(VENV)/test
	$(PYTEST) tests/e2e

$(VENV)/python: Makefile
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Thalweg needs Python 3.11 or later; this is " + sys.version.split()[0] + " (set PYTHON=...)")'
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/demo: $(VENV)/python pyproject.toml constraints.txt
	$(PIP) --editable '.[$(TENSORFLOW),demo]'
	@touch $@

$(VENV)/docs: $(VENV)/python pyproject.toml constraints.txt
	$(PIP) --editable '.[docs]'
	@touch $@

# PyTorch first and alone: with it there, nothing pulls in another build.
$(VENV)/test: $(VENV)/python pyproject.toml constraints.txt
	$(PIP) torch==2.13.0
	$(PIP) --editable '.[$(TENSORFLOW),jax,torch,ray,optuna,tensorboard,demo,dev,docs]'
	@touch $@

clean:
	rm -rf $(VENV) demo report.html site .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
