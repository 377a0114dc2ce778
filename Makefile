# Each target works as the first command on a fresh machine with Python 3.11 or newer.
.PHONY: demo test kills check train bench rehearse browser

PYTHON = python3
BIN = .venv/bin
INSTALLED = .venv/.installed

export PIP_DISABLE_PIP_VERSION_CHECK = 1

demo: $(INSTALLED)
	@echo "Three toy traits, refined from flawed pairs: no key, no GPU, no network. A few minutes."
	$(BIN)/cliffhanger run --experiment experiments/demo

# Two workers, a file to each at a time: its tests share fixtures. Files with slow tests come first (tests/conftest.py).
test: $(INSTALLED) browser
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

# `make test` kills a run at about a hundred seeded points; this does so at every one. Two minutes; for nightly runs.
kills: $(INSTALLED)
	$(BIN)/python -m tests.bench.kills --every

# The review page and the report are tested in a real browser, where there is one or one can be installed.
browser:
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || \
	    command -v google-chrome >/dev/null || { test "$$(id -u)" = 0 && command -v apt-get >/dev/null && apt-get update -qq && \
	    apt-get install -y -qq --no-install-recommends chromium >/dev/null; } || \
	    echo "There is no Chromium here: the browser tests will be skipped. On Debian: apt-get install chromium" >&2

check: $(INSTALLED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_architecture.py

train: $(INSTALLED)
	$(BIN)/python -m experiments.toyworld.train

bench: $(INSTALLED)
	$(BIN)/python -m tests.bench

# The demo with faults and kills, compared with an undisturbed run.
rehearse: $(INSTALLED)
	$(BIN)/python -m tests.bench.rehearsed_run

# torch comes first and alone: whatever depends on it and is asked for earlier may draw another build of it.
$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "Cliffhanger needs Python 3.11 or newer; '$(PYTHON)' is missing or older." \
	         "Install one and name it: make PYTHON=python3.12 ..." >&2; exit 1; }
	@if ! $(BIN)/python -c 'import pip, sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then \
	    echo "Making .venv with $(PYTHON): the first time takes some minutes."; \
	    $(PYTHON) -m venv --clear .venv; fi
	$(BIN)/python -m pip install -q -c constraints.txt setuptools wheel torch
	$(BIN)/python -m pip install -q -c constraints.txt --no-build-isolation -e '.[dev]'
	@touch $@
