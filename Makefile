# stackstudy: `make` alone prints what there is to do.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help env report paper batch test test-browser test-cluster bench bench-smoke notebooks lint lab ask site clean

PROFILE ?= sample
DATA ?=
PYTHON ?= python3

# An active conda environment (other than base) is used as it is; otherwise everything lives in .venv.
ifneq ($(and $(CONDA_PREFIX),$(filter-out base,$(CONDA_DEFAULT_ENV))),)
  ENV_DIR := $(CONDA_PREFIX)
  ENV_KIND := conda
else
  ENV_DIR := $(CURDIR)/.venv
  ENV_KIND := venv
endif
BIN := $(ENV_DIR)/bin
STAMP := $(ENV_DIR)/.stackstudy-$(shell cksum requirements.txt pyproject.toml | cksum | cut -d' ' -f1)

help: ## Print this list
	@echo "stackstudy: predict the tags and the score of Stack Exchange questions"
	@echo
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | awk -F'\t' '{printf "  make %-13s %s\n", $$1, $$2}'
	@echo
	@echo "  PROFILE=$(PROFILE)  one of:$(patsubst profiles/%.yaml, %,$(wildcard profiles/*.yaml))"
	@echo "  DATA=path       a Posts.xml, .7z, CSV or parquet of questions, for reference and paper to run on;"
	@echo "                  without it their paper is built from committed results, where there are any"

env: $(STAMP) ## Create the environment (once)

$(STAMP): requirements.txt pyproject.toml
ifeq ($(ENV_KIND),venv)
	@command -v $(PYTHON) >/dev/null || { echo "stackstudy needs Python 3.11 or newer, and no '$(PYTHON)' was found: install it, or name one with PYTHON=path"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "stackstudy needs Python 3.11 or newer; $$($(PYTHON) --version) was found: name another one with PYTHON=path"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "this Python has no venv module (on Debian and Ubuntu: apt install python3-venv)"; exit 1; }
	@echo "==> creating .venv (once; some minutes: about 3 GB of packages)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(ENV_DIR)
endif
	@echo "==> installing the pinned packages into $(ENV_KIND) environment $(notdir $(ENV_DIR))"
	@$(BIN)/python -m pip install --disable-pip-version-check --no-compile -r requirements.txt
	@echo "==> compiling them on all cores"
	@# Not all can be compiled: some packages ship files for other versions of Python.
	@$(BIN)/python -m compileall -qq -j 0 "$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')" || true
	@$(BIN)/python -m pip install --disable-pip-version-check --quiet --no-deps --editable .
	@rm -f $(ENV_DIR)/.stackstudy-*
	@touch $@

report: $(STAMP) ## Run what is missing and build the paper (PDF, HTML, DOCX)
	@$(BIN)/stackstudy report $(PROFILE) $(if $(DATA),--data '$(DATA)')

paper: $(STAMP) ## Build the paper alone, from the results at hand
	@$(BIN)/stackstudy paper $(PROFILE)

batch: $(STAMP) ## Run what is missing or stale of PROFILE, and nothing else: for a server
	@$(BIN)/stackstudy run $(PROFILE) $(if $(DATA),--data '$(DATA)')

notebooks: $(STAMP) ## Execute all notebooks in place, at smoke size
	@$(BIN)/jupyter nbconvert --to notebook --execute --inplace --ExecutePreprocessor.record_timing=False --ExecutePreprocessor.store_widget_state=False notebooks/*.ipynb

test: $(STAMP) ## Run all tests, nbval over the notebooks included
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadfile tests
	@OMP_NUM_THREADS=1 PYTHONPATH=tests $(BIN)/python -m pytest -n auto --dist loadfile -p own_project --nbval-lax notebooks

test-browser: $(STAMP) ## Run the tests that open JupyterLab, the page of questions and the site in Chromium
	@$(BIN)/python -m pip install --disable-pip-version-check --quiet -c requirements.txt 'playwright==1.65.2'
	@$(BIN)/stackstudy run smoke && $(BIN)/stackstudy site smoke
	@$(BIN)/python -m pytest -m browser tests/browser

test-cluster: $(STAMP) ## Test what runs on Ray, on clusters of local nodes
	@$(BIN)/python -m pip install --disable-pip-version-check --quiet --constraint requirements.txt --editable '.[cluster]'
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m cluster tests

bench: $(STAMP) ## Check the claims about speed and memory (25 minutes; nothing else should run)
	@$(BIN)/python -m benchmarks

bench-smoke: $(STAMP) ## Run the benchmarks at tiny sizes, without judging times
	@$(BIN)/python -m benchmarks --smoke

lint: $(STAMP) ## Check style and format
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .

lab: $(STAMP) ## Open JupyterLab on the notebooks
	@$(BIN)/jupyter lab notebooks

site: $(STAMP) ## Build the report as static pages (PROFILE may name several)
	@$(BIN)/stackstudy site $(PROFILE)

ask: $(STAMP) ## Ask a question in the browser, of the trained systems of PROFILE
	@$(BIN)/stackstudy run $(PROFILE) 40-ask
	@$(BIN)/papermill --prepare-only src/stackstudy/ask/page.ipynb runs/$(PROFILE)/ask.ipynb -p profile $(PROFILE)
	@JUPYTER_PATH='$(CURDIR)/src/stackstudy/ask/jupyter' $(BIN)/voila runs/$(PROFILE)/ask.ipynb --template=plain

clean: ## Remove runs and built papers of PROFILE (the environment and committed results stay)
	rm -rf runs/$(PROFILE) report/build/$(PROFILE)
