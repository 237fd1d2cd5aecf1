# `make help` lists the targets. Every target sets up what it needs.
#
# pip's options are your own, through its PIP_* environment variables: PIP_INDEX_URL, PIP_FIND_LINKS,
# PIP_EXTRA_INDEX_URL, ... For instance, point PIP_EXTRA_INDEX_URL at PyTorch's index of CPU-only
# builds to spare a machine without a GPU several GB of CUDA packages.

PYTHON ?= python3
VENV ?= .venv
# which extras of setup.py to install
EXTRAS ?= dev,examples,recipes,export,huggingface

# Stack A: Python 3.11 and newer. Stack B: 3.8 to 3.10. See constraints/.
STACK = $(shell $(PYTHON) -c 'import sys; v = sys.version_info[:2]; \
	print("a" if v >= (3, 11) else "b" if v >= (3, 8) else "too-old")')
MINOR = import sys; print(sys.version_info[:2])
CONSTRAINTS = constraints/stack-$(STACK).txt
TORCH = $(shell grep -E '^torch(audio)?==' $(CONSTRAINTS))

PIP_INSTALL = "$(VENV)/bin/python" -m pip install --quiet --quiet --disable-pip-version-check
# the venv's commands first on the PATH: tests and examples call fairseq-train and the like
IN_VENV = PATH="$$(cd "$(VENV)/bin" && pwd):$$PATH"

# the folders, too: they change where a file is removed or renamed
SOURCES := $(shell find fairseq_flexdepth -name '*.py' -o -name '*.css' -o -name '*.js' -o -type d -not -name __pycache__)

.PHONY: help venv check-python test test-all lint types unit docs-check demo package clean

help:
	@echo "make venv   make $(VENV) and install the pinned packages and this one into it"
	@echo "make test   lint, types and all tests"
	@echo "make lint   ruff"
	@echo "make types  mypy"
	@echo "make unit   the unit tests alone"
	@echo "make docs-check  the tests of the documents alone"
	@echo "make test-all    make test on every Python from 3.8 to 3.14 that is found"
	@echo "make package     build a wheel and an sdist into dist/, install each and try it"
	@echo "make demo   train a small model, decode at every depth, show the trade-off"
	@echo "make clean  remove $(VENV), build outputs and caches"
	@echo
	@echo "PYTHON=python3.9 picks the Python (default python3), VENV=folder the environment (default .venv)"

venv: $(VENV)/package.stamp

check-python:
	@case "$(STACK)" in \
	  a | b) ;; \
	  too-old) echo "error: PYTHON=$(PYTHON) is $$($(PYTHON) --version 2>&1); 3.8 or newer is needed" >&2; exit 1 ;; \
	  *) echo "error: PYTHON=$(PYTHON) does not run; give one that does: make PYTHON=/path/to/python3" >&2; exit 1 ;; \
	esac
	@if [ -x "$(VENV)/bin/python" ] && [ "$$($(PYTHON) -c '$(MINOR)')" != "$$("$(VENV)/bin/python" -c '$(MINOR)')" ]; then \
	  echo "error: $(VENV) was made with another Python than PYTHON=$(PYTHON); give another VENV=folder, or make clean" >&2; \
	  exit 1; \
	fi

# The packages. The stamp is touched last, so a half-made environment is taken up again, not used.
$(VENV)/packages.stamp: setup.py pyproject.toml constraints/stack-a.txt constraints/stack-b.txt | check-python
	@echo "making $(VENV) with $$($(PYTHON) --version) (stack $(STACK))"
	@$(PYTHON) -m venv "$(VENV)"
	@if [ "$(STACK)" = b ]; then $(PIP_INSTALL) -c $(CONSTRAINTS) pip setuptools wheel; fi
	@echo "installing $(TORCH) ..."
	@$(PIP_INSTALL) -c $(CONSTRAINTS) $(TORCH) setuptools
	@echo "installing fairseq and the rest of $(CONSTRAINTS) (minutes: fairseq compiles C++ where it has no wheel) ..."
	@$(PIP_INSTALL) -c $(CONSTRAINTS) ".[$(EXTRAS)]"
	@touch "$@"

# This package, installed plainly, again after each edit (seconds). Not `pip install -e`: away from
# the repository's root, fairseq finds `--user-dir fairseq_flexdepth` only as a real folder beside its
# own package. At the root it takes the folder there.
# build/ goes first, or files since deleted would be installed from it.
$(VENV)/package.stamp: $(VENV)/packages.stamp $(SOURCES)
	@rm -rf build fairseq_flexdepth.egg-info
	@echo "installing fairseq_flexdepth into $(VENV) ..."
	@$(PIP_INSTALL) --no-deps --no-build-isolation --force-reinstall .
	@rm -rf build fairseq_flexdepth.egg-info
	@touch "$@"

test: lint types
	$(IN_VENV) OMP_NUM_THREADS=1 python -m pytest -n 2

lint: venv
	$(IN_VENV) ruff check .

types: venv
	$(IN_VENV) mypy

unit: venv
	$(IN_VENV) OMP_NUM_THREADS=1 python -m pytest -n 2 tests/unit

docs-check: venv
	$(IN_VENV) OMP_NUM_THREADS=1 python -m pytest tests/unit/test_documents.py tests/unit/test_links.py

# hours on one machine: for a scheduled run
test-all:
	bash .ci/run all

package: venv
	rm -rf build dist fairseq_flexdepth.egg-info
	$(IN_VENV) python -m build
	rm -rf build fairseq_flexdepth.egg-info
	bash .ci/smoke "$(PYTHON)" dist/*.whl "$(VENV)"
	bash .ci/smoke "$(PYTHON)" dist/*.tar.gz "$(VENV)"

demo: venv
	$(IN_VENV) bash examples/quickstart/run.sh

clean:
	rm -rf "$(VENV)" build dist fairseq_flexdepth.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -not -path './.venv*' -prune -exec rm -rf {} +
