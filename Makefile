# `make demo` and `make test` need Python 3.11, git and make, and install the rest themselves.
.DEFAULT_GOAL := help
.PHONY: help setup demo stop labels test check format

unexport PYTHONDONTWRITEBYTECODE # every stage is a process: bytecode is kept from the first import
UV := $(shell command -v uv 2>/dev/null || echo .tools/bin/uv)
RUN := $(UV) run --locked --no-sync

help: ## Show this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

setup: ## Install uv if it is missing, then the locked environment
	@command -v $(UV) >/dev/null 2>&1 || { python3 -m venv .tools && .tools/bin/pip install --quiet --disable-pip-version-check uv; }
	@$(UV) sync --locked --quiet

demo: setup ## Run the whole loop and leave the search page at http://127.0.0.1:3000
	@$(RUN) photosearch demo $(ARGS)

stop: setup ## Stop the page that `make demo` left running
	@$(RUN) photosearch stop

labels: setup ## Start Label Studio here with the demo's pairs; print its address and login
	@$(RUN) photosearch labels $(ARGS)

test: setup ## Run all tests, the slow ones with real servers too
	@PATH="$(CURDIR)/.tools/bin:$$PATH" OMP_NUM_THREADS=1 $(RUN) pytest -m "not gpu and not network" -n 2 --dist loadfile $(ARGS)

check: setup ## Format, lint, types and import contracts
	@$(RUN) ruff format --check .
	@$(RUN) ruff check .
	@$(RUN) mypy
	@$(RUN) lint-imports

format: setup ## Format and mend what can be mended
	@$(RUN) ruff format .
	@$(RUN) ruff check --fix .
