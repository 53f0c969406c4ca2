# `make` alone lists the targets. Parameters: NAME (cluster, default inferfleet), DIR (its state folder, default
# build/clusters/NAME), PORT (its API server, default 6443), NETWORK (its /16, default one that is free), PYTHON,
# VARIANT (of the processor: avx512 or amx), DATA (folder of public measurements, for bench-planner and
# bench-autoscaler), QUICK (1: bench-autoscaler takes the first hours alone), MAIN (1: its main baselines alone).
NAME ?= inferfleet
DIR ?=
PORT ?=
NETWORK ?=
PYTHON ?= python3
VARIANT ?= avx512
DATA ?= ../shared/data
QUICK ?=
MAIN ?=
VENV := build/venv
BIN := $(VENV)/bin
CLUSTER := --name $(NAME) $(if $(DIR),--dir $(DIR))
NEW := $(if $(PORT),--api-port $(PORT)) $(if $(NETWORK),--network $(NETWORK))
STAMP := $(VENV)/.installed
MEDIA := build/venv-media
MEDIA_STAMP := $(MEDIA)/.installed

.DEFAULT_GOAL := help
.PHONY: help setup demo up down test test-unit test-apiserver test-fuzz test-chart test-runtime test-media e2e e2e-all variants bench-runtime bench-quality bench-images bench-planner bench-autoscaler lint format generate golden check clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(STAMP): pyproject.toml
	@echo "setting up the virtual environment in $(VENV)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11")'
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo '$(PYTHON) cannot make virtual environments: install python3-venv (Debian, Ubuntu), or make PYTHON=/path/to/another' >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

setup: $(STAMP) ## virtual environment with everything for development

# Read before the virtual environment is made, so that the demo's seconds include it.
demo: export INFERFLEET_STARTED := $(shell date +%s)
demo: $(STAMP) ## the whole idea on a real Kubernetes: cluster, images, charts, a model, scale-out, scale-in
	@$(BIN)/python -m e2e.demo $(CLUSTER) $(NEW)

up: $(STAMP) ## a cluster to play with (parameters NAME, DIR, PORT, NETWORK)
	@$(BIN)/python -m e2e.cluster up $(CLUSTER) $(NEW)

down: $(STAMP) ## remove the cluster and everything it put on this machine
	@$(BIN)/python -m e2e.cluster down $(CLUSTER)

test: $(STAMP) ## every test that needs no root and no Docker, a real API server and real engine included
	$(BIN)/pytest tests

test-unit: $(STAMP) ## decisions, builders, reconcile over a cluster in memory: seconds
	$(BIN)/pytest tests/unit tests/reconcile tests/repo

test-apiserver: $(STAMP) ## against a real kube-apiserver and etcd
	$(BIN)/pytest tests/apiserver

test-fuzz: $(STAMP) ## 10,000 worlds of any specs: the operator has words for each (minutes; `make test` tries 300)
	INFERFLEET_FUZZ_CASES=10000 $(BIN)/pytest tests/unit/test_any_spec.py

test-chart: $(STAMP) ## the charts: every value rendered, applied to a real API server, plain manifests fresh
	$(BIN)/pytest tests/chart

test-runtime: $(STAMP) ## the serving runtime with its real engine
	$(BIN)/pytest tests/runtime tests/unit -k runtime

$(MEDIA_STAMP): pyproject.toml
	@echo "setting up the virtual environment with PyTorch in $(MEDIA) (minutes, 6 GB)"
	@$(PYTHON) -m venv $(MEDIA)
	@$(MEDIA)/bin/pip install --quiet --disable-pip-version-check --editable '.[runtime,media]' \
	  'openai>=2,<3' 'pytest>=9,<10' 'pytest-asyncio>=1.3,<2'
	@touch $@

test-media: $(MEDIA_STAMP) ## pictures, videos and speech: real pipelines with random weights, in an environment of their own
	$(MEDIA)/bin/pytest tests/media

e2e: $(STAMP) ## the quickstart's story on a real cluster (Linux and root, or kind, or INFERFLEET_CLUSTER=existing)
	$(BIN)/pytest e2e/stories -m 'not slow'

e2e-all: $(STAMP) ## every story
	$(BIN)/pytest e2e/stories

variants: $(STAMP) ## llama.cpp built for this processor's family, for bench-runtime (six minutes; cmake and a compiler)
	runtime/build-kernels build/variants
	runtime/build-variant $(VARIANT) build/variants $(BIN)/python

bench-runtime: $(STAMP) ## specialized beside naive serving, the front's cost, memory (half an hour; `make variants` before)
	$(BIN)/python -m e2e.bench.runtime

bench-quality: $(STAMP) ## what every quantization of the project's own model loses and gains (ten minutes)
	$(BIN)/python -m e2e.bench.quality

bench-images: $(STAMP) ## sizes of the images (root; half an hour the first time)
	$(BIN)/python -m e2e.bench.images

bench-planner: $(STAMP) ## predictions, placements and recommendations on public measurements, DATA=folder (half an hour)
	$(BIN)/python -m e2e.bench.planner --data $(DATA)

bench-autoscaler: $(STAMP) ## autoscalers on recorded traffic beside the optimum, DATA=folder (two hours; QUICK=1 ten minutes)
	$(BIN)/python -m e2e.bench.autoscaler --data $(DATA) $(if $(QUICK),--quick) $(if $(MAIN),--main)

lint: $(STAMP) ## ruff, mypy, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

format: $(STAMP) ## format and fix what can be fixed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

generate: $(STAMP) ## CRDs, the reference and the schemas for editors from the types
	$(BIN)/inferfleet crds --out crds
	cp crds/*.yaml charts/inferfleet-crds/templates/
	rm -f charts/inferfleet/files/workloadclasses/*.yaml
	$(BIN)/inferfleet classes --out charts/inferfleet/files/workloadclasses
	$(BIN)/inferfleet reference --out docs/reference.md
	$(BIN)/inferfleet schemas --out docs/schemas
	$(BIN)/python -m e2e.charts

golden: $(STAMP) ## rewrite the golden files of the builders and the table of wrong manifests; read the diff
	INFERFLEET_GOLDEN=1 $(BIN)/pytest -q tests/unit/test_build.py
	INFERFLEET_GOLDEN=1 $(BIN)/pytest -q tests/apiserver/test_bad_input.py -k test_the_table_has

check: lint test test-fuzz e2e ## everything that a reviewer would run

clean: ## remove what was built, except clusters that run (`make down` first)
	rm -rf build/venv build/venv-media build/models build/bench
