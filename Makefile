# make demo   install the library into .venv and run its main job on data that comes with it
# make test   run the tests               (ARGS='-k sparse -x' goes to pytest)
# make check  everything a change must pass: format, lint, types, floors, budgets, docs, tests
# make bench  print the figures of docs/benchmarks.md
# make docs   build the documentation into docs/_build/html
# make lecture  run docs/lecture.ipynb anew and keep what it shows
# make clean  remove what was built, but not the environment
#
# PYTHON=python3.12 chooses the interpreter, VENV=elsewhere the environment.

PYTHON ?= python3
VENV ?= .venv
ARGS ?=
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

# Small networks on a busy machine: two OpenMP threads wait for each other, one does not.
ONE_THREAD := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1

.PHONY: help demo test check format lint types floors house docs lecture bench constraints clean
.DELETE_ON_ERROR:

help:
	@sed -n 's/^# \(make .*\)/\1/p' Makefile

# ---- the environment: .core is what a user installs, .dev adds the tools; each is remade when its inputs change

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "latently needs Python 3.11 or newer, $(PYTHON) is not. Try: make PYTHON=python3.12 $(MAKECMDGOALS)"; \
		exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "$(PYTHON) cannot make virtual environments. On Debian and Ubuntu: sudo apt-get install python3-venv"; \
		exit 1; }
	$(PYTHON) -m venv $(VENV)

KERNELS := hatch_build.py $(wildcard src/latently/native/*.c src/latently/native/*.inc)

$(VENV)/.core: pyproject.toml constraints.txt $(KERNELS) | $(BIN)/python
	@echo "installing latently into $(VENV) (the first time this downloads PyTorch)"
	$(INSTALL) -e .
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt $(KERNELS) | $(BIN)/python
	@echo "installing latently and its development tools into $(VENV)"
	$(INSTALL) -e '.[dev]'
	@touch $(VENV)/.core $@

# ---- what people do

demo: $(VENV)/.core
	$(BIN)/latently demo

test: $(VENV)/.dev
	$(ONE_THREAD) $(BIN)/python -m pytest -q -n 2 --dist loadscope $(ARGS)

check: format lint types floors house docs test

bench: $(VENV)/.dev
	@for script in $$(grep -l __main__ bench/*.py) bench/anomaly; do \
		echo "== $$script"; $(BIN)/python $$script || exit 1; done

# ---- the parts of check

format: $(VENV)/.dev
	$(BIN)/ruff format --check .

lint: $(VENV)/.dev
	$(BIN)/ruff check .

types: $(VENV)/.dev
	$(BIN)/mypy

floors: $(VENV)/.dev
	$(BIN)/lint-imports --no-logo

house: $(VENV)/.dev
	$(BIN)/python tools/house.py src/latently

# -E: a warning must fail every build, not only the one that first reads the page.
docs: $(VENV)/.dev
	$(BIN)/sphinx-build -q -E -W --keep-going docs docs/_build/html

# ---- upkeep

# Run the lecture anew and keep what its cells show.
lecture: $(VENV)/.dev
	$(ONE_THREAD) $(BIN)/python -W error tools/notebooks.py docs/lecture.ipynb

# Write constraints.txt anew from a fresh environment. torch is named so that no machine pulls another build.
TORCH ?= 2.13.0
constraints:
	rm -rf .venv-constraints
	$(PYTHON) -m venv .venv-constraints
	.venv-constraints/bin/python -m pip install --quiet torch==$(TORCH) -e '.[dev,all]'
	{ sed '/^[^#]/,$$d' constraints.txt; .venv-constraints/bin/python -m pip freeze --exclude-editable \
		| sed 's/+[a-z0-9.]*$$//' | grep -v -i -E '^(nvidia|cuda|triton)'; } > constraints.new
	mv constraints.new constraints.txt
	rm -rf .venv-constraints

clean:
	rm -rf build dist docs/_build .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	find src tests bench docs tools -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true
