# All commands of a clone. What takes part in `make lab` needs git, make and Python 3.11 or newer, nothing else.
PYTHON ?= python3
BENCH ?= --full
PYTEST ?=
STACK ?= /var/tmp/labkit-stack
LOCK ?=
COMPILE = .venv/bin/uv pip compile --quiet --no-config --universal --python-version 3.11 --generate-hashes --no-annotate --no-header $(LOCK)

# Without bytecode every process that Ray starts would compile labkit anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help lab bench test check test-python test-frontend test-cluster test-stack bench-engines bench-latency bench-serving api-docs frontend format notebooks lock system-deps clean install install-dev \
        check-format check-lint check-types check-imports check-notebooks check-project

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile

lab: install ## set everything up, open JupyterLab, measure the first speedup table
	@$(PYTHON) setup/frontend.py build || { [ $$? -ne 130 ] && echo "labkit: going on without the dashboard"; }
	@exec .venv/bin/labkit lab

bench: install ## measure the full speedup table, print it and write the technical report
	@.venv/bin/labkit bench $(BENCH) && exec .venv/bin/labkit report build

test: check test-frontend test-python ## set everything up, then all checks and tests

check: check-format check-lint check-types check-imports check-notebooks check-project ## format, lint, types, imports, notebooks, locks

test-frontend: install-dev ## types, lint and unit tests of the dashboard
	@$(PYTHON) setup/frontend.py check
	@$(PYTHON) setup/frontend.py test

test-python: install-dev frontend ## the tests; PYTEST="-k shard" picks some
	@.venv/bin/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder --ignore=tests/cluster $(PYTEST)

test-cluster: install-dev ## the tests over several hosts: minutes, and root for namespaces
	@.venv/bin/python -m pytest tests/cluster $(PYTEST)

test-stack: install-dev ## all containers of compose.yaml: ten minutes, root, buildah and podman
	@.venv/bin/python -m tests.deploy.stack $(STACK)

bench-engines: install-dev ## measure all engines side by side, with the hardware limit
	@.venv/bin/python -m tests.benchmarks.engines

bench-latency: install-dev ## measure work that waits for a late store, at 8 workers
	@.venv/bin/python -m tests.benchmarks.latency

bench-serving: install-dev ## measure the services under load, beside others
	@.venv/bin/python -m tests.benchmarks.serving

api-docs: install-dev ## write docs/api.md, the OpenAPI file and the dashboard's client
	@.venv/bin/python -m api.docs
	@$(PYTHON) setup/frontend.py types

frontend: install ## build the dashboard
	@$(PYTHON) setup/frontend.py build

format: install-dev ## format the code and mend what lint can mend
	@.venv/bin/python -m ruff format
	@.venv/bin/python -m ruff check --fix

notebooks: install-dev ## build the notebooks of each language from their source
	@.venv/bin/python notebooks/build.py

lock: install-dev ## resolve pyproject.toml into locks/; LOCK=--upgrade takes newer versions
	@$(COMPILE) --group setup -o locks/uv.txt
	@$(COMPILE) --group node -o locks/node.txt
	@$(COMPILE) pyproject.toml --extra engines --extra postgresql --extra s3 --extra ec2 --extra class --extra dev -o locks/dev.txt
	@$(COMPILE) pyproject.toml --extra engines --extra ec2 --constraints locks/dev.txt -o locks/lab.txt
	@$(COMPILE) pyproject.toml --extra engines --extra postgresql --extra s3 --extra ec2 --constraints locks/dev.txt -o locks/image.txt

system-deps: ## install the system packages of the tests (Debian, Ubuntu)
	@sh setup/system-deps.sh

clean: ## remove .venv and caches; `labkit clean` removes the lab's data
	@rm -rf .venv frontend/node_modules frontend/dist build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

install:
	@$(PYTHON) setup/install.py lab

install-dev:
	@$(PYTHON) setup/install.py dev

check-format: install-dev
	@.venv/bin/python -m ruff format --check

check-lint: install-dev
	@.venv/bin/python -m ruff check

check-types: install-dev
	@.venv/bin/python -m mypy

check-imports: install-dev
	@.venv/bin/lint-imports --no-logo

check-notebooks: install-dev
	@.venv/bin/python notebooks/build.py --check

check-project: install-dev
	@.venv/bin/python -m pytest -q -p no:cacheprovider tests/test_project.py
