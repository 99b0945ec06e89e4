# Anatomy of ChatGPT. `make` alone lists what there is; `make book` and `make test` are the two
# commands that a fresh clone needs.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/sh

# The first Python that fits, unless you name one: make book PYTHON=python3.12
ifndef PYTHON
PYTHON := $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
	>/dev/null 2>&1 && { echo $$p; break; }; done)
endif

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.installed
PORT ?= 8000
# One thread a process: two notebooks run at once, and small tensors gain nothing from more.
export OMP_NUM_THREADS ?= 1
export PYTHONUNBUFFERED := 1

.PHONY: help book test serve lab notebooks benchmark experiments colab-check lint lock clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(READY): requirements.txt pyproject.toml book/install.py
	@test -n "$(PYTHON)" || { echo "No Python 3.11, 3.12 or 3.13 was found: install one, or name it with PYTHON=…" >&2; exit 1; }
	@$(PYTHON) -c pass >/dev/null 2>&1 || { echo "$(PYTHON) does not run: install Python 3.11, 3.12 or 3.13, or name it with PYTHON=…" >&2; exit 1; }
	@$(PYTHON) book/install.py

book: $(READY) ## run every notebook and build the site, strictly, into _build/html
	@$(BIN)/python book/build.py

test: $(READY) lint ## lint, types, then every test; builds the site first where it is out of date
	@$(BIN)/python book/build.py --if-needed
	@$(BIN)/python -m pytest -n 2 -q

lint: $(READY) ## ruff and mypy
	@$(BIN)/ruff check --quiet
	@$(BIN)/ruff format --check --quiet || { $(BIN)/ruff format --check; exit 1; }
	@$(BIN)/mypy --no-error-summary

serve: $(READY) ## look at the built site on this machine (PORT=8000)
	@$(BIN)/python book/serve.py "$(PORT)"

lab: $(READY) ## JupyterLab, where the chapters open as notebooks (ARGS=--allow-root in a container)
	@$(BIN)/python book/lab.py $(ARGS)

notebooks: $(READY) ## clean .ipynb of every chapter, without solutions, into _build/notebooks
	@$(BIN)/python book/export.py

benchmark: $(READY) ## PPO beside Stable-Baselines3 and TRL (only this installs them), GPT beside transformers, DQN alone
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c requirements.txt -e ".[benchmark]"
	@$(BIN)/python code/benchmarks/ppo.py
	@$(BIN)/python code/benchmarks/language_models.py
	@$(BIN)/python code/benchmarks/rlhf.py
	@$(BIN)/python code/benchmarks/value_and_policy.py

experiments: $(READY) ## the multi-seed runs whose results the chapters plot (long)
	@set -e; for script in $(filter-out %/instructgpt_gpt2.py,$(wildcard code/experiments/*.py)); do echo "$$script"; $(BIN)/python "$$script"; done

colab-check: $(READY) ## run the exported notebooks with the package versions of Colab
	@$(BIN)/python tests/notebooks/colab_check.py

lock: $(READY) ## compile requirements.txt from pyproject.toml
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check pip-tools
	@$(BIN)/pip-compile --quiet --extra book --extra dev --strip-extras --no-annotate --no-emit-options \
		--no-emit-index-url --no-emit-find-links --no-header --output-file .requirements.tmp pyproject.toml
	@{ echo "# Exact versions of the site build and its tests, for Python 3.11 to 3.13. Made by \`make lock\` from pyproject.toml."; \
		sed 's/+cpu$$//' .requirements.tmp; } > requirements.txt
	@rm -f .requirements.tmp

clean: ## remove what was built (keeps .venv; `rm -r .venv .cache` removes the rest)
	rm -rf _build .pytest_cache .mypy_cache .ruff_cache
	find . -path ./.venv -prune -o -name __pycache__ -type d -exec rm -rf {} +
