# Every target installs first what it needs: `make demo` works in a fresh clone with Python 3.11 or newer.
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
BENCHMARKS ?= benchmarks/sample.py # the others read data sets that you download yourself

.PHONY: help setup demo serve test lint docs bench clean
.DEFAULT_GOAL := help

help:  ## say what there is
	@sed -n 's/^\([a-z]*\):.*## /make \1: /p' Makefile

setup: $(INSTALLED)  ## make .venv and install recsys in it, with the tools of its developers

demo: $(INSTALLED)  ## from the sample to recommendations, retrained once
	$(BIN)/recsys demo

serve: $(INSTALLED)  ## start the API; with no database yet, on the demo's data
	@$(BIN)/python -c 'from recsys.settings import Settings as S; s = S(); raise SystemExit(not (s.database_url or (s.home / "recsys.db").exists()))' || $(BIN)/recsys demo
	$(BIN)/recsys serve

test: $(INSTALLED)  ## run every check and say how long each took
	$(BIN)/python .ci/checks.py

lint: $(INSTALLED)  ## run the checks that take seconds
	$(BIN)/python .ci/checks.py --lint

docs: $(INSTALLED)  ## write the settings page and build the site of docs/ and the API reference into site/
	$(BIN)/python docs/settings_page.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

bench: $(INSTALLED)  ## print the tables of the benchmarks that need no data set
	@for script in $(BENCHMARKS); do $(BIN)/python $$script || exit 1; done

clean:  ## remove caches and build output; .venv and var stay
	rm -rf build dist site htmlcov .coverage .coverage.* .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find recsys api migrations tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

# A torch that is in .venv already, such as the small CPU build, stays.
$(INSTALLED): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("recsys needs Python 3.11 or newer: make setup PYTHON=python3.12")'
	@test -x $(BIN)/pip || $(PYTHON) -m venv .venv
	@echo "Installing recsys in .venv; the first time takes some minutes."
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --progress-bar off --editable '.[dev]'
	@touch $@
