# Two commands: `make run` computes the published answer here, `make test` checks everything.
SIZE ?= 1024
ARGS ?=
PYTHON ?= python3
REPORT ?= $${HPC_HOME:-.hpc}/report.html
BIN := .venv/bin
# One more than processors, because some tests wait; each takes half a gigabyte.
TEST_PROCESSES = $(shell $(BIN)/python -c "import os; print(min(os.cpu_count() + 1, 8))")
# Without byte code, every command would compile all of its imports anew.
unexport PYTHONDONTWRITEBYTECODE
# `value` keeps a "$" in the name of a folder.
export PATH := $(CURDIR)/$(BIN):$(CURDIR)/node_modules/.bin:$(value PATH)

# Some networks inspect TLS with a certificate of their own: pip, uv and node use the certificates of the machine.
CERTIFICATES := $(or $(value SSL_CERT_FILE),$(firstword $(wildcard /etc/ssl/certs/ca-certificates.crt \
	/etc/pki/tls/certs/ca-bundle.crt /etc/ssl/ca-bundle.pem)))
ifneq ($(CERTIFICATES),)
export PIP_CERT ?= $(CERTIFICATES)
export NODE_EXTRA_CA_CERTS ?= $(CERTIFICATES)
endif
ifneq ($(CERTIFICATES)$(wildcard /etc/ssl/cert.pem),)
export UV_SYSTEM_CERTS ?= true
endif
export NODE_USE_SYSTEM_CA ?= 1

# Write the report after exit codes 0 and 1, not after 2 (not started) or an interrupt.  stdout belongs to the run.
REPORT_IT := test $$code -gt 1 || hpc report --out "$(REPORT)" >&2

.PHONY: run test check style bench soak fuzz hammer lint docs audit pins bootstrap deploy destroy smoke-aws dist clean

run: .venv/ready
	hpc run --size $(SIZE) $(ARGS); code=$$?; $(if $(filter --aws,$(ARGS)),,$(REPORT_IT);) exit $$code

# mypy, which has one processor busy for a minute, runs beside the tests; pytest's line is the last one if all is well.
test: .venv/dev-ready node_modules/ready style
	mypy >.venv/types.txt 2>&1 & types=$$!; \
	python -m pytest --numprocesses $(TEST_PROCESSES) --dist loadfile $(ARGS); code=$$?; \
	wait $$types || { cat .venv/types.txt; code=1; }; exit $$code

# Style, types and unit tests: what is quick enough to run before each commit.
check: .venv/dev-ready style
	mypy >.venv/types.txt 2>&1 & types=$$!; \
	python -m pytest --numprocesses $(TEST_PROCESSES) --dist loadfile tests/unit packages/sfn-local/tests/unit $(ARGS); \
	code=$$?; wait $$types || { cat .venv/types.txt; code=1; }; exit $$code

# Ratios to other ways of doing the same work; ARGS=--quick takes under two minutes.
bench: .venv/dev-ready
	python -m benchmarks.bench $(ARGS)

soak: .venv/dev-ready
	python benchmarks/soak.py $(ARGS)

# 100,000 odd inputs that nobody has tried; `make test` tries 5,000, the same ones each time.
fuzz: .venv/dev-ready
	FUZZ_TIMES=20 python -m pytest --numprocesses $(TEST_PROCESSES) --dist load tests/fuzz $(ARGS)

# Twenty clients try to hold a server for five minutes.
hammer: .venv/dev-ready
	python benchmarks/hammer.py $(ARGS)

lint: style
	mypy

style: .venv/dev-ready
	ruff check .
	ruff format --check .

# Build the site of docs/ into site/.  A warning is an error, except the theme's notice about its successor.
docs: .venv/docs-ready
	NO_MKDOCS_2_WARNING=1 mkdocs build --quiet --strict $(ARGS)

# Known vulnerabilities of all pinned packages; where their database can't be had it is skipped, and says so.
audit: .venv/dev-ready
	python tests/audit.py

# After a change of a requirements file: what the pins bring along, with the hash of every file that may be installed.
# Versions that are still allowed stay.
PINNED := requirements.txt requirements-dev.txt requirements-build.txt requirements-docs.txt lambdas/requirements.txt
pins: .venv/ready
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
		$(PINNED) --output-file constraints.txt
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
		requirements-uv.in --output-file requirements-uv.txt
	rm -rf node_modules  # npm knows no hash of what is installed already
	npm install --quiet --no-audit --no-fund --package-lock-only

bootstrap: .venv/ready node_modules/ready
	cdk bootstrap $(ARGS)

deploy: .venv/ready node_modules/ready
	cdk deploy $(ARGS)

destroy: .venv/ready node_modules/ready
	python -m hpc.commands.destroy $(ARGS)

# The first deployment in a real account, and all that it should do; asks before it spends.  Needs the AWS CLI.
smoke-aws: .venv/ready node_modules/ready
	python tests/smoke_aws.py $(ARGS)

# Both distributions, with the cloud assemblies that a run without the CDK takes.
dist: .venv/ready
	python -m hpc.targets.presynthesis build/assemblies
	for package in . packages/sfn-local; do \
		uv build --quiet --build-constraints constraints.txt --out-dir dist "$$package" || exit; done

clean:
	rm -rf .venv .hpc .layer-cache build dist cdk.out site node_modules .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# uv installs this list in seconds where pip takes more than a minute.  No file is installed whose hash is not in
# constraints.txt, but those of packages that a workload needs and somebody added to lambdas/requirements.txt alone.
UV_INSTALL = $(BIN)/uv pip install --quiet --python $(BIN)/python
.venv/ready: requirements.txt requirements-uv.txt lambdas/requirements.txt constraints.txt pyproject.toml packages/sfn-local/pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-uv.txt
	$(UV_INSTALL) --require-hashes -r requirements.txt -c constraints.txt
	$(BIN)/python -m hpc_stack.packages
	$(UV_INSTALL) --no-deps --build-constraints constraints.txt -e . -e packages/sfn-local
	touch $@

.venv/dev-ready: .venv/ready requirements-dev.txt
	$(UV_INSTALL) --require-hashes -r requirements-dev.txt -c constraints.txt
	touch $@

.venv/docs-ready: .venv/ready requirements-docs.txt
	$(UV_INSTALL) --require-hashes -r requirements-docs.txt -c constraints.txt
	touch $@

# The CDK CLI comes from the npm registry; node itself comes with requirements.txt.
node_modules/ready: package.json package-lock.json .venv/ready
	npm ci --quiet --no-audit --no-fund
	touch $@
