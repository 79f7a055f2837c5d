# `make help` lists the targets. All that they need is Python >= 3.11, git and, for the peers, Go.
.DEFAULT_GOAL := help
.PHONY: help demo test peers check bench clean
SHELL := /bin/sh
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_ROOT_USER_ACTION := ignore

# The first that is new enough; `make PYTHON=...` takes another one.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
ARGS ?=
BIN := .venv/bin
CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)
PEERS_BIN ?= $(CACHE)/bob-peers/bin

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "make %-6s  %s\n", $$1, $$2}' Makefile

demo: .venv/.run ## publish the example bundle into demo/, and look at it
	@rm -rf demo
	$(BIN)/bobctl publish examples/webapp oci-layout:demo/webapp:1.0.0
	$(BIN)/bobctl list artifact oci-layout:demo/webapp
	$(BIN)/bobctl describe artifact oci-layout:demo/webapp:1.0.0

# loadgroup: one worker for all tests of an xdist_group.
test: .venv/.dev ## all tests; ARGS='-k name', ARGS=tests/unit ...; BOB_REQUIRE_PEERS=1: nothing may be skipped
	$(BIN)/pytest -n auto --dist loadgroup $(ARGS)

peers: ## build the programs that tests/interop checks against (needs Go; 15 minutes the first time)
	@command -v go >/dev/null || { echo "make peers: no Go here; see https://go.dev/doc/install" >&2; exit 1; }
	tests/peers/build

check: .venv/.dev ## linters, formatter, types; workflows too, if actionlint is among the built peers
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	@set -- .github/workflows/*.yml workflows-examples/*.yml; for f; do \
		if [ -f "$$f" ] && [ -x "$(PEERS_BIN)/actionlint" ]; then \
			echo "actionlint $$f"; "$(PEERS_BIN)/actionlint" "$$f" || exit 1; fi; done

bench: .venv/.dev ## the benchmarks, one after the other
	@for f in bench/*.py; do [ -f "$$f" ] || continue; echo "$(BIN)/python $$f"; $(BIN)/python "$$f" || exit 1; done

clean: ## remove all that make made here; the built peers stay
	rm -rf .venv build dist demo .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# For a user's commands, and with what a developer needs.
.venv/.run: pyproject.toml | $(BIN)/pip
	$(BIN)/pip install --quiet --editable '.[all]'
	@touch $@

.venv/.dev: pyproject.toml | $(BIN)/pip
	$(BIN)/pip install --quiet --editable '.[all]' --group dev
	@touch $@ .venv/.run

# Debian keeps ensurepip in a package of its own: then virtualenv, or the system's pip from outside.
# --group needs pip 25.1.
$(BIN)/pip:
	@test -n "$(PYTHON)" || { echo "make: no Python >= 3.11 found; name one: make PYTHON=/path/to/python" >&2; exit 1; }
	@rm -rf .venv
	@$(PYTHON) -m venv .venv >/dev/null 2>&1 \
		|| { rm -rf .venv; $(PYTHON) -m virtualenv --quiet .venv >/dev/null 2>&1; } \
		|| { $(PYTHON) -m venv --without-pip .venv \
			&& $(PYTHON) -m pip --python .venv/bin/python install --quiet pip >/dev/null 2>&1; } \
		|| { rm -rf .venv; \
			echo "make: $(PYTHON) cannot make a virtual environment; on Debian: apt install python3-venv" >&2; exit 1; }
	@$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
