# Two commands: `make run` computes the published answer here, `make test` checks everything.
SIZE ?= 1024
ARGS ?=
PYTHON ?= python3
REPORT ?= $${HPC_HOME:-.hpc}/report.html
UV_VERSION := 0.13.9
BIN := .venv/bin
# One more than processors, because some tests wait; each takes half a gigabyte.
TEST_PROCESSES = $(shell $(BIN)/python -c "import os; print(min(os.cpu_count() + 1, 8))")
# A user's setting against byte code would make every command compile all it imports anew.
unexport PYTHONDONTWRITEBYTECODE
# `value` leaves a "$" in a folder's name as it is.
export PATH := $(CURDIR)/$(BIN):$(CURDIR)/node_modules/.bin:$(value PATH)

# Also of a run that failed; of none that did not start (2) or was interrupted.  stdout is the run's own.
REPORT_IT := test $$code -gt 1 || hpc report --out "$(REPORT)" >&2

.PHONY: run test soak fuzz lint bootstrap deploy destroy clean

run: .venv/ready
	hpc run --size $(SIZE) $(ARGS); code=$$?; $(if $(filter --aws,$(ARGS)),,$(REPORT_IT);) exit $$code

test: .venv/dev-ready node_modules/ready lint
	python -m pytest --numprocesses $(TEST_PROCESSES) --dist loadfile $(ARGS)

soak: .venv/dev-ready
	python benchmarks/soak.py $(ARGS)

# 100,000 odd inputs that nobody has tried; `make test` tries 5,000, the same ones each time.
fuzz: .venv/dev-ready
	FUZZ_TIMES=20 python -m pytest --numprocesses $(TEST_PROCESSES) --dist load tests/fuzz $(ARGS)

lint: .venv/dev-ready
	ruff check .
	ruff format --check .
	mypy

bootstrap: .venv/ready node_modules/ready
	cdk bootstrap $(ARGS)

deploy: .venv/ready node_modules/ready
	cdk deploy $(ARGS)

destroy: .venv/ready node_modules/ready
	cdk destroy $(ARGS)

clean:
	rm -rf .venv .hpc .layer-cache cdk.out node_modules .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# uv installs this list in seconds where pip takes more than a minute.
.venv/ready: requirements.txt lambdas/requirements.txt constraints.txt pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	$(BIN)/uv pip install --quiet --python $(BIN)/python -r requirements.txt -r lambdas/requirements.txt -c constraints.txt -e .
	touch $@

.venv/dev-ready: .venv/ready requirements-dev.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python -r requirements-dev.txt -c constraints.txt
	touch $@

# The CDK CLI comes from the npm registry; node itself comes with requirements.txt.
node_modules/ready: package.json .venv/ready
	npm install --quiet --no-audit --no-fund --no-package-lock
	touch $@
