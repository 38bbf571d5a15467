# Two commands for newcomers: `make demo` and `make test`. `make help` lists the rest.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
UV_VERSION := 0.13.8
# The machine's uv, else our own in a private environment below .tools.
UV := $(shell command -v uv 2>/dev/null || echo .tools/bin/uv)
# A Python 3.12 or 3.13 that really runs: a version manager's stand-in may be on the path and refuse.
PYTHON := $(shell for p in python3.12 python3.13 python3 "$${PYENV_ROOT:-$$HOME/.pyenv}"/versions/3.1[23]*/bin/python3 \
	/opt/python*/bin/python3 /usr/local/bin/python3*; do \
	"$$p" -c 'import sys, venv, ensurepip; raise SystemExit(not (3, 12) <= sys.version_info < (3, 14))' >/dev/null 2>&1 && { command -v "$$p"; break; }; done)
RUN := $(BIN)/crypto-assets

# Where this is set every process compiles all it imports anew: half the time of a short command, a third of the tests'.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo up down test test-qlib check bench bench-collect bench-pools bench-sentiment bench-stream bench-features bench-models bench-exports bench-backup bench-truth bench-soak bench-scale-out docs lock clean
help: ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 13

demo: $(VENV)/.main ## The whole pipeline once against a sandbox; RECORDINGS=DIR plays recorded bars
	@$(RUN) demo $(if $(RECORDINGS),--recordings "$(RECORDINGS)")

up: $(VENV)/.main ## Web UI, schedules and database, live; SANDBOX=1 or RECORDINGS=DIR against a sandbox
	@$(RUN) up $(if $(SANDBOX),--sandbox) $(if $(RECORDINGS),--recordings "$(RECORDINGS)")

down: $(VENV)/.main ## End what `make up` started
	@$(RUN) down

test: $(VENV)/.dev ## The whole test suite, on three workers: on two cores one of them always waits for something
	@$(BIN)/python -m pytest -n 3 --dist loadscope --no-loadscope-reorder $(ARGS)

# pyqlib's requirements would take our pyarrow down a version and bring Jupyter; its reader needs just these.
QLIB_NEEDS := pandas==3.1.1 numpy==2.2.6 scipy==1.18.1 pyyaml==6.0.3 ruamel-yaml==0.19.1 filelock==4.2.11 redis==8.1.0 \
	python-redis-lock==4.0.1 dill==0.4.1 joblib==1.6.0 tqdm==4.70.1 pydantic-settings==2.16.3 mlflow-skinny==3.17.2
test-qlib: $(VENV)/.dev ## Let Qlib itself read an export back, in an environment of its own below .venv-qlib
	@$(UV) venv --quiet --allow-existing --python "$(PYTHON)" .venv-qlib
	@$(UV) pip install --quiet --python .venv-qlib/bin/python --no-deps pyqlib==0.9.7
	@$(UV) pip install --quiet --python .venv-qlib/bin/python $(QLIB_NEEDS)
	@$(BIN)/python -m pytest -q crypto_assets_tests/exports/test_qlib_export.py

# The theme tells each build that MkDocs 2 will be another program; ours is pinned.
docs: $(VENV)/.dev ## The documentation as a site in site/: warnings are errors, no network is asked
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict
	@echo "Open site/index.html"

check: $(VENV)/.dev ## Lint, format, types, architecture
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

bench: $(VENV)/.dev ## Speed, as ratios against a baseline measured in the same run
	@$(BIN)/python -m bench

bench-collect: $(VENV)/.dev ## Trades, books and tickers under limits, faults and a blackout; ARGS="--soak-minutes 2" for less
	@$(BIN)/python -m bench.events $(ARGS)

bench-pools: $(VENV)/.dev ## Two hundred pools over a simulated day, a million trades written; ARGS="--hours 2" for less
	@$(BIN)/python -m bench.pools $(ARGS)

bench-sentiment: $(VENV)/.dev ## Ten thousand headlines scored, beside vaderSentiment in the same run
	@$(BIN)/python -m bench.sentiment

bench-stream: $(VENV)/.dev ## Quotes of every second under load, faults and kills; ARGS="--minutes 1" for less
	@$(BIN)/python -m bench.stream $(ARGS)

bench-features: $(VENV)/.dev ## Indicators and features over 3.3 million bars, beside pandas and to_sql
	@$(BIN)/python -m bench.features

bench-models: $(VENV)/.dev ## Skill on a random walk and a planted signal, on recorded hours, and the speed of the live path
	@$(BIN)/python -m bench.models $(ARGS)

bench-exports: $(VENV)/.dev ## 3.3 million rows of features as Parquet, beside pandas; ARGS="--markets 5" for less
	@$(BIN)/python -m bench.exports $(ARGS)

bench-scale-out: $(VENV)/.dev ## One Celery worker and two, in network namespaces; one is killed; two on one venue's budget
	@$(BIN)/python -m bench.scale_out

bench-backup: $(VENV)/.dev ## Ten million bars saved, restored and compared, beside a plain pg_dump; ARGS="--rows 500000" for less
	@$(BIN)/python -m bench.backup $(ARGS)

bench-truth: $(VENV)/.dev ## Planted gaps, outages, halts and kills: what is found, repaired and named
	@$(BIN)/python -m bench.truth

bench-soak: $(VENV)/.dev ## The whole platform for an hour under faults, kills and restarts; ARGS="--minutes 10" for less
	@$(BIN)/python -m bench.soak $(ARGS)

lock: $(UV) ## Renew requirements.txt and requirements-dev.txt from pyproject.toml
	@$(UV) lock --quiet --python "$(PYTHON)"
	@$(UV) export --quiet --frozen --no-header --no-annotate --no-emit-project --no-dev --group build -o requirements.txt
	@$(UV) export --quiet --frozen --no-header --no-annotate --no-emit-project --only-dev -o requirements-dev.txt

clean: ## Remove the environment; data in .crypto_assets stays
	@rm -rf $(VENV) .tools

.tools/bin/uv:
	@test -n "$(PYTHON)" || { echo "Error: no Python 3.12 or 3.13 with venv found. Install python3.12 and python3.12-venv, or put it on PATH."; exit 1; }
	@echo "Fetching uv $(UV_VERSION) into .tools"
	@"$(PYTHON)" -m venv .tools
	@.tools/bin/python -m pip install --quiet --disable-pip-version-check "uv==$(UV_VERSION)"

$(VENV)/bin/python: | $(UV)
	@test -n "$(PYTHON)" || { echo "Error: no Python 3.12 or 3.13 found. Install one or put it on PATH."; exit 1; }
	@$(UV) venv --quiet --python "$(PYTHON)" $(VENV)

$(VENV)/.main: requirements.txt pyproject.toml | $(VENV)/bin/python
	@echo "Installing the pinned packages"
	@$(UV) pip install --quiet --python $(BIN)/python --require-hashes -r requirements.txt
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: requirements-dev.txt $(VENV)/.main
	@$(UV) pip install --quiet --python $(BIN)/python --require-hashes -r requirements-dev.txt
	@touch $@
