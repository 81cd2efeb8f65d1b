# `make demo` and `make test` do all the set-up that they need on a machine with Python 3.11 or later.

PYTHON ?= python3
VENV ?= .venv
# The documents of the demo: `make demo LANGUAGE=zh`. In the environment, LANGUAGE is gettext's own variable, a list such
# as zh_CN:zh of the languages that messages may have, and is left to it.
ifeq ($(origin LANGUAGE),command line)
DOCUMENTS := $(firstword $(subst _, ,$(subst -, ,$(subst :, ,$(LANGUAGE)))))
MESSAGES := TUNELOOP_LANGUAGE=$${TUNELOOP_LANGUAGE:-$(DOCUMENTS)}
else
DOCUMENTS := en
MESSAGES :=
endif
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check -q -c constraints.txt
# On Linux the CPU build of torch is much smaller than the CUDA build that PyPI serves (0.75 GB instead of several):
#   make demo TORCH="--extra-index-url https://download.pytorch.org/whl/cpu"
TORCH ?=
DEMO ?=

.PHONY: demo test check lint types contract kill-test wheels translations lock clean

demo: $(VENV)/.train
	$(MESSAGES) $(BIN)/tuneloop demo --language $(DOCUMENTS) $(DEMO)

test: $(VENV)/.dev
	$(BIN)/python -m pytest -n 2 --dist loadfile

check: lint types contract test

lint: $(VENV)/.dev
	$(BIN)/ruff check tuneloop tests benchmarks tools
	$(BIN)/ruff format --check tuneloop tests benchmarks tools

types: $(VENV)/.dev
	$(BIN)/pyright --pythonpath $(BIN)/python

contract: $(VENV)/.dev
	$(BIN)/lint-imports

# Optional: twenty kills of a demo.

kill-test: $(VENV)/.train
	$(BIN)/python benchmarks/kill.py

# Optional, asks the package index: has every package a wheel on each platform that the guide names?

wheels: $(VENV)/.dev
	$(BIN)/python tools/wheels.py --python 3.11 3.12 3.13
	$(BIN)/python tools/wheels.py --extra train

translations: $(VENV)/.dev
	$(BIN)/python tools/translations.py

lock: $(VENV)/.dev
	$(BIN)/python tools/lock.py

$(VENV)/.created:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Tuneloop needs Python 3.11 or later; name one with: make PYTHON=python3.12")'
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "$(PYTHON) cannot make virtual environments: ensurepip" \
	  "is missing. On Debian and Ubuntu: sudo apt install python3-venv (for another Python, python3.12-venv); then" \
	  "again: make $(MAKECMDGOALS)" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.train: $(VENV)/.created constraints.txt pyproject.toml
	@echo "Installing Tuneloop with what training needs (some minutes, once)…"
	$(PIP) $(TORCH) torch==2.13.0
	$(PIP) -e '.[train]'
	@touch $@

$(VENV)/.dev: $(VENV)/.train
	$(PIP) -e '.[train,postgres,dev]'
	@touch $@

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis *.egg-info
