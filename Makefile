# The project's commands. `make` lists them; each does its own set-up.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# More than two cores: most of the long tests wait for processes.
WORKERS ?= 3
CHECKED := functions training local tests packaging bench proofs notebooks

.DEFAULT_GOAL := help
.PHONY: help setup build-local demo local replay notebooks launch test test-long check lint types security model matrix judge same frameworks mutate bench gpu-check build deploy lock-training clean

help: ## list the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 22

setup: $(READY) ## make the virtual environment (done by the others when needed)

$(READY): requirements-dev.txt constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; set PYTHON=/path/to/python3.11"; exit 2; }
	@echo "Setting up $(VENV): some minutes the first time."
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

LAMBDA := build/functions
SOURCES := $(shell find functions packaging -name '*.py' -o -name '*.lock' -o -name '*.txt') requirements.txt

build-local: build/.built

build/.built: $(READY) $(SOURCES)
	@$(BIN)/python packaging/build.py --into $(LAMBDA)
	@touch $@

demo: $(READY) build-local ## break a training job and watch it come back (FAULT=gpu|spot|timeout|… DOUBT=all KEEP=1)
	@$(BIN)/python -m local.demo $(if $(FAULT),$(FAULT)) $(if $(DOUBT),--doubt $(DOUBT)) $(if $(KEEP),--keep)

local: $(READY) build-local ## start the local AWS and W&B, deploy, and print the environment to export (DOUBT=all)
	@$(BIN)/python -m local $(if $(DOUBT),--doubt $(DOUBT))

replay: $(READY) ## decide on one event without any stack (EVENT=events/x.json), or again from a log line (LOG=file)
	@$(BIN)/python -m local.replay $(if $(LOG),--log "$(LOG)",$(EVENT))

launch: $(READY) ## launch the example training on SageMaker (ARGS=--help)
	@$(BIN)/python training/launch.py $(ARGS)

notebooks: $(READY) build-local ## run the notebooks from top to bottom, and keep what they show
	@$(BIN)/python -m local.notebooks

test: $(READY) build-local ## run all tests, side by side, fast ones first (WORKERS=3)
	@$(BIN)/python -m pytest -q --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder

test-long: $(READY) build-local ## run the tests that the gate has no time for: every demo, more trainings from end to end
	@$(BIN)/python -m pytest -q -m long --numprocesses $(WORKERS) --dist loadfile

check: lint types security ## lint, types, and the checkers of code and template

lint: $(READY)
	@$(BIN)/ruff format --check --quiet $(CHECKED) && $(BIN)/ruff check --quiet $(CHECKED)

types: $(READY)
	@$(BIN)/mypy

CHECK_VENV := .venv-check
CHECK := $(CHECK_VENV)/bin

$(CHECK_VENV)/.ready: requirements-check.txt
	$(PYTHON) -m venv $(CHECK_VENV)
	$(CHECK)/python -m pip install --quiet --no-compile --disable-pip-version-check -r requirements-check.txt
	@touch $@

security: $(READY) $(CHECK_VENV)/.ready
	@$(BIN)/python packaging/policies.py build/policies
	@$(CHECK)/cfn-lint --config-file packaging/cfn-lint.yaml -t template.yaml
	@$(CHECK)/checkov --config-file packaging/checkov.yaml -f template.yaml
	@$(CHECK)/checkov --skip-download --quiet --compact --framework secrets \
	  -d functions -d training -d local -d packaging
	@PYTHONWARNINGS=ignore $(CHECK)/parliament --directory build/policies \
	  --include-community-auditors --config packaging/parliament.yaml
	@$(CHECK)/bandit -q -r functions training
	@$(CHECK)/bandit -q -c packaging/bandit.yaml -r local packaging

model: $(READY) ## visit every state of the protocol, whole and with each element taken out
	@$(BIN)/python -m proofs.model

matrix: $(READY) ## every remote call x every fault x every situation, on the real code, whichever way AWS behaves (ARGS=--pairs, --known)
	@$(BIN)/python -m proofs.matrix $(ARGS)

judge: $(READY) ## lineages against an oracle that knows the true cause (ARGS="--mixed", "--curve all", "--ablate")
	@$(BIN)/python -m proofs.judge $(ARGS)

SAME := $(CURDIR)/build/same

$(SAME)/.ready: requirements-same.txt $(READY)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --upgrade --target $(SAME) -r requirements-same.txt
	@touch $@

same: $(READY) $(SAME)/.ready ## trainings as people write them, each broken in many places and resumed: the same, or it says so (ARGS="--only loaders/", --help)
	@PYTHONPATH=$(SAME) WORKERS=$(WORKERS) $(BIN)/python -m proofs.same $(ARGS)

FRAMEWORKS := $(CURDIR)/build/frameworks

# DeepSpeed's build asks for the torch that is there, and compiles nothing.
$(FRAMEWORKS)/.ready: requirements-frameworks.txt $(READY)
	@DS_BUILD_OPS=0 $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --upgrade --target $(FRAMEWORKS) -r requirements-frameworks.txt
	@touch $@

frameworks: $(READY) $(FRAMEWORKS)/.ready ## frameworks under resilient-run, killed and compared byte by byte; DeepSpeed and Keras too
	@$(BIN)/python -m pytest -q -m long tests/local/test_run_frameworks.py tests/local/test_run_two_hosts.py

MUTANTS := build/mutation

mutate: $(READY) ## change the pure modules, one thing at a time, and see that a test fails (ARGS="'resilience.wire.*'": those again)
	@mkdir -p $(MUTANTS) && find $(MUTANTS) -mindepth 1 -maxdepth 1 ! -name mutants -exec rm -rf {} +
	@cp -r functions/. local proofs training tests events docs template.yaml $(MUTANTS)
	@cp proofs/mutation.toml $(MUTANTS)/pyproject.toml
	@cd $(MUTANTS) && HYPOTHESIS_PROFILE=mutation $(CURDIR)/$(BIN)/python -m proofs.mutate --at-once 2 $(ARGS) && \
	  PYTHONPATH=$(CURDIR) $(CURDIR)/$(BIN)/python -m proofs.mutation

bench: $(READY) build-local ## print the benchmark tables
	@$(BIN)/python -m bench

gpu-check: $(READY) ## on a GPU: the same bytes after kill -9, and what a save costs (ARGS="--device cpu" tries the script)
	@$(BIN)/python -m bench.gpu_check $(ARGS)

SAM_VENV := .venv-sam
SAM := SAM_CLI_TELEMETRY=0 PATH="$(CURDIR)/$(SAM_VENV)/bin:$$PATH" $(SAM_VENV)/bin/sam

$(SAM_VENV)/.ready:
	$(PYTHON) -m venv $(SAM_VENV)
	$(SAM_VENV)/bin/python -m pip install --quiet --disable-pip-version-check aws-sam-cli==1.170.0
	@touch $@

build: $(SAM_VENV)/.ready ## build the functions for AWS (sam build)
	@$(SAM) validate --lint && $(SAM) build

deploy: build ## deploy to your AWS account (ARGS=--guided the first time)
	@$(SAM) deploy $(ARGS)

LOCK_VENV := .venv-lock

$(LOCK_VENV)/.ready:
	$(PYTHON) -m venv $(LOCK_VENV)
	$(LOCK_VENV)/bin/python -m pip install --quiet --disable-pip-version-check uv==0.13.9
	@touch $@

lock-training: $(LOCK_VENV)/.ready ## pin what a training's container installs, by version and hash
	@$(LOCK_VENV)/bin/python packaging/lock_training.py

clean: ## remove what was built and what the local services stored
	rm -rf build .aws-sam .local
