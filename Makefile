# Everything here works from a fresh clone: `make setup` comes first by itself.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help setup demo test test-all lint format types imports docs docs-check dashboards dashboards-check rules-test bench-halt bench-fsync bench-said bench-capacity bench-simulate bench-threshold mutants breaches lock lock-check check clean

PYTEST := .venv/bin/python -m pytest
export QT_QPA_PLATFORM := offscreen
export PYTHON UPGRADE

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## make .venv from the lock, with `arb` in it (PYTHON=/path picks the Python)
	@requirements/setup.sh

demo: setup ## one compressed simulated trading day through real processes
	@.venv/bin/arb demo

test: setup ## all fast tests, on fakeredis and on a real Redis
	$(PYTEST) -n 2 --dist loadfile -m "not slow"

test-all: setup ## all tests, also those that start the whole system
	$(PYTEST) -n 2 --dist loadfile -m "not slow"
	$(PYTEST) -m slow --timeout=600

lint: setup ## ruff: rules and format
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .

format: setup ## ruff: mend what can be mended
	.venv/bin/ruff check --fix-only .
	.venv/bin/ruff format .

types: setup ## mypy, strict
	.venv/bin/mypy

imports: setup ## import-linter: which package may import which
	.venv/bin/lint-imports

docs: setup ## write the generated tables of docs/ARCHITECTURE.md again
	.venv/bin/python docs/generate.py

docs-check: setup ## fail when a generated table is stale
	.venv/bin/python docs/generate.py --check

dashboards: setup ## write Grafana's dashboards again from deploy/dashboards
	.venv/bin/python -m deploy.dashboards

dashboards-check: setup ## fail when a dashboard is stale
	.venv/bin/python -m deploy.dashboards --check

rules-test: setup ## promtool: alert rules, their tests, and an entry in the runbook for each
	$(PYTEST) tests/observability/test_rules.py

bench-halt: setup ## how long after `arb halt` the last entry leaves and all is taken back
	.venv/bin/python -m benchmarks.halt

bench-fsync: setup ## what `appendfsync always` costs beside everysec: a commit, a tick to its order
	.venv/bin/python -m benchmarks.fsync

bench-said: setup ## what it costs a commit to keep what is said of how things are
	.venv/bin/python -m benchmarks.said

bench-simulate: setup ## how many virtual days a minute `arb simulate` runs, and what one costs
	.venv/bin/python -m benchmarks.simulate

bench-threshold: setup ## what simulated crosses earn by age, side and expected edge, and the row that follows
	nice .venv/bin/python -m benchmarks.threshold

bench-capacity: setup ## twice the peak of quotes through a real Redis, detectors and risk
	.venv/bin/python -m benchmarks.capacity

mutants: setup ## plant each fault of tests/mutants in a copy, and see who notices (ARGS="NAME --days 60"); slow
	nice .venv/bin/python -m tests.mutants $(ARGS)

breaches: setup ## plant each breach of tests/breaches, and keep which days report it (ARGS="NAME"); slow
	nice .venv/bin/python -m tests.breaches $(ARGS)

lock: setup ## write the lock files again (UPGRADE=1 takes newer releases)
	requirements/lock.sh

lock-check: setup ## prove the locks, and that the gateway installs on 32-bit Windows
	requirements/lock.sh --check

check: ## everything CI does
	.ci/run

clean: ## drop .venv, caches and run files; refused while something runs or run/ is not archived
	@deploy/clean.sh
