# Balance Chain. `make help` lists what there is.
# Everything is installed into $(VENV); PYTHON is any Python 3.11 to 3.13 with venv.

PYTHON ?= python3
VENV ?= .venv
BENCH ?= full
ROUNDS ?= 25
CASES ?= 200000
WORKERS ?= 2
SEED ?=
ARGS ?=
BIN := $(VENV)/bin
DISTRIBUTIONS := shared/verify shared/chain services/intake services/sealer services/verifier services/judge-audit deploy/local
SOURCES := $(addsuffix /src,$(DISTRIBUTIONS))
PACKAGES := balance_verify balance_chain balance_intake balance_sealer balance_verifier balance_judge_audit balance_local
CHECKED := $(SOURCES) $(wildcard tests tools bench)
STAMP := $(VENV)/.installed
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--no-annotate --no-header

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint format chaos fuzz bench bench-scale detect mutate conformance lock clean

help: ## this list
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

##@ Use it
setup: $(STAMP) ## install everything into $(VENV), pinned by hash (done by the other targets as needed)
	@:

demo: $(STAMP) ## start all and show it working; ARGS="--once", ARGS="--recap DIR"
	@$(BIN)/balance-chain demo $(ARGS)

##@ Work on it
test: $(STAMP) ## all tests, two files at a time; ARGS="tests/unit -k tree" for some
	@$(BIN)/python -m pytest $(or $(ARGS),-n $(WORKERS) --dist loadfile --no-loadscope-reorder)

lint: $(STAMP) ## ruff, mypy --strict, import rules
	@mkdir -p build
	@status=0; \
	$(BIN)/ruff check $(CHECKED) || status=1; \
	$(BIN)/ruff format --check --quiet $(CHECKED) || status=1; \
	$(BIN)/mypy $(addprefix -p ,$(PACKAGES)) || status=1; \
	$(BIN)/lint-imports --no-cache >build/.imports 2>&1 || { cat build/.imports; status=1; }; \
	exit $$status

chaos: $(STAMP) ## kill, freeze, cut off and repeat everything under load; ROUNDS=25 SEED=1
	@PYTHONPATH=tests $(BIN)/python -m chaos --rounds $(ROUNDS) $(if $(SEED),--seed $(SEED))

fuzz: $(STAMP) ## bad input over HTTP and Kafka; CASES=200000 SEED=1
	@BALANCE_FUZZ_CASES=$(CASES) BALANCE_FUZZ_SEED=$(or $(SEED),1) $(BIN)/python -m pytest tests/security/test_fuzz.py $(ARGS)

bench: $(STAMP) ## speed beside other logs and stores, by ratio and CPU; BENCH=short, ARGS="--only append"
	@$(BIN)/python bench --length $(if $(filter short,$(BENCH)),short,full) $(ARGS)

bench-scale: $(STAMP) ## what grows: up to a million events through the whole system
	@$(BIN)/python bench --length scale $(ARGS)

detect: $(STAMP) ## precision, recall and false alarms of the rules; ARGS="--breaches 20 --honest 500 --no-docs" for a quick look
	@$(BIN)/python bench/detect.py $(ARGS)

mutate: $(STAMP) ## break each invariant by its kept patch: the named test must fail; ARGS="7- notary" for some
	@$(BIN)/python tools/mutate.py $(ARGS)

conformance: $(STAMP) ## only the checks by tools nobody here wrote (Go)
	@$(BIN)/python -m pytest tests/conformance $(ARGS)

format: $(STAMP) ## put the sources in shape
	$(BIN)/ruff check --fix-only --quiet $(CHECKED)
	$(BIN)/ruff format $(CHECKED)

##@ Maintain it
lock: $(STAMP) ## pin requirements/*.in again, with hashes
	$(COMPILE) --output-file requirements/runtime.txt requirements/runtime.in
	$(COMPILE) --output-file requirements/dev.txt requirements/dev.in

clean: ## remove the demo's data, caches and build output (never $(VENV))
	rm -rf .balance build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find $(DISTRIBUTIONS) tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(STAMP): requirements/runtime.txt requirements/dev.txt $(addsuffix /pyproject.toml,$(DISTRIBUTIONS))
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(None if (3, 11) <= v <= (3, 13) else "Python 3.11 to 3.13 is needed, this is %d.%d; say make PYTHON=/path/to/python3.x" % v)'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/runtime.txt -r requirements/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation $(addprefix -e ./,$(DISTRIBUTIONS))
	@touch $@
