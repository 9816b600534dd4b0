# Everything that a person does here. The work is in scripts/.
# make test ARGS="-k cancel" selects tests; make demo ARGS="--cpu 1" changes the example's runs.

PYTHON := .venv/bin/python
ARGS :=

# Hundreds of daemons and commands are started here: where Python may not keep what it compiled, each takes twice as long.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help demo test test-engines soak history bench bench-quick bench-growth bench-peers bench-page screenshots check format environment engine images clean

help:  ## say what can be made (this)
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/^([a-z-]+):.*## +/\1\t/' | expand -t 14

demo: environment engine  ## run nine folds of a real training on this machine, from nothing to the bill
	@$(PYTHON) scripts/images.py runsd/python:3
	@$(PYTHON) scripts/demo.py $(ARGS)

test: check engine  ## set up, check, and run every test on a real Engine
	@python3 scripts/tools.py
	@$(PYTHON) scripts/images.py
	$(PYTHON) -m pytest $(ARGS)

test-engines: images  ## run tests on a second, newer Engine beside the first; needs root and Debian
	@python3 scripts/tools.py
	@$(PYTHON) scripts/engines.py $(ARGS)

soak: environment engine  ## harm daemon and Engine for half an hour, and count what was not true afterwards
	@PYTHONPATH=scripts $(PYTHON) -m tests.faults.soak $(ARGS)

history: environment engine images  ## ask a daemon with a million finished runs, and print how quick and how big it is
	HISTORY_RUNS=1000000 $(PYTHON) -m pytest -s --timeout=1800 tests/daemon/test_history.py \
		tests/web/test_runs.py -k "history" $(ARGS)

bench: environment engine images  ## measure beside docker run, podman run and the raw Engine; leave the machine alone meanwhile
	@PYTHONPATH=scripts $(PYTHON) -m benchmarks $(ARGS)

bench-quick: environment engine images  ## the same in under three minutes, with fewer and smaller rounds
	@PYTHONPATH=scripts $(PYTHON) -m benchmarks --scale quick $(ARGS)

bench-growth: environment engine images  ## measure what more queued, running, finished runs and followers cost
	@PYTHONPATH=scripts $(PYTHON) -m benchmarks --growth $(ARGS)

bench-peers: environment engine images  ## measure beside Prefect with its Docker worker, installed for that into .build
	@PYTHONPATH=scripts $(PYTHON) -m benchmarks.peers

bench-page: environment  ## put the last results into docs/performance.md
	@PYTHONPATH=scripts $(PYTHON) -m benchmarks.page --publish

screenshots: environment engine images  ## take pictures of every page of the web UI into docs/screenshots
	@python3 scripts/tools.py
	@$(PYTHON) scripts/screenshots.py $(ARGS)

check: environment  ## formatting, lint, types, and the direction of imports
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/mypy scripts
	MYPYPATH=scripts .venv/bin/mypy -p benchmarks
	for example in examples/*/; do .venv/bin/mypy $$example || exit; done
	$(PYTHON) -m pytest -q tests/unit/test_imports.py

format: environment  ## put the code into shape
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

environment:  ## make .venv as uv.lock says
	@scripts/environment

engine:  ## find a Docker Engine that answers, or install and start one
	@python3 scripts/engine.py >/dev/null

images: environment engine  ## make the images that demo and tests run
	@$(PYTHON) scripts/images.py

clean:  ## remove what was made here; the Engine and its images stay
	rm -rf .venv .build .mypy_cache .ruff_cache .pytest_cache .hypothesis dist runsd/web/static/vendor
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
