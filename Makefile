# The commands of this project. `make help` lists them.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: docs help demo test nightly coverage mutation faults check bench bench-large wheel deb sbom screenshots audit-dependencies sounds catalogues lock clean
.DEFAULT_GOAL := help

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# Hashes are checked: what is installed is what was reviewed.
$(BIN)/.installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; set PYTHON=python3.x"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --require-hashes --only-binary=:all: --requirement requirements.lock
	$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(BIN)/.installed  ## a real PBX, callers, agents and the recorder; ONCE=1 ends after the calls
	$(BIN)/python -m tests.lab.demo $(if $(ONCE),--once)

# Each process with its own PBX and PostgreSQL; a file of tests stays in one. Calls take their time and little of a
# core: three processes for two cores. In their random order files with calls are beside files without; sorted by how
# many tests are in them, as xdist would, all calls came last and nobody had the processor.
WORKERS ?= $(shell expr \( $$(getconf _NPROCESSORS_ONLN) \* 3 + 1 \) / 2)
test: check  ## everything: unit, real PostgreSQL, real Asterisk
	$(BIN)/pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

nightly: check  ## every test, and the long loops in full: every step to be killed at, every byte to be changed
	ARI_RECORDER_NIGHTLY=1 $(BIN)/pytest --timeout 3600 -o asyncio_debug=true

# Without calls, browser and hosts: those go few ways of their own, and take most of the time.
COVERED := $(addprefix tests/,asterisk domain services storage vault web) $(wildcard tests/test_cli*.py) \
	$(addprefix tests/test_,audit_events.py config.py logs.py supervise.py systemd.py)
coverage: $(BIN)/.installed  ## branches that tests go, held against pyproject.toml; EVERYTHING=1 with calls and browser
	rm -rf build/coverage && mkdir -p build/coverage
	$(BIN)/coverage run -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(if $(EVERYTHING),,$(COVERED))
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage json --quiet -o build/coverage/report.json
	$(BIN)/python -m tests.coverage_gates $(if $(EVERYTHING),--package) build/coverage/report.json

mutation: $(BIN)/.installed  ## small faults put into the program: do the tests notice? GROUPS="vault" SAMPLE=0 for all of one
	$(BIN)/python -m tests.mutation $(GROUPS) $(if $(SAMPLE),--sample $(SAMPLE)) $(if $(SEED),--seed $(SEED))

faults: $(BIN)/.installed  ## what goes wrong on purpose, in full, on a real PBX: a line for each figure; long
	$(BIN)/python -m tests.faults $(NAMES) $(if $(SEED),--seed $(SEED)) $(if $(COUNT),--count $(COUNT))

check: $(BIN)/.installed  ## format, lint, types, import contracts: seconds
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(BIN)/.installed  ## every figure as a ratio against its peers, in one run; NAMES="search" for one
	$(BIN)/python -m benchmarks $(NAMES)

bench-large: $(BIN)/.installed  ## finding and proving among ten million: an hour, and 20 GB of disk
	$(BIN)/python -m benchmarks --large

# The same commit gives the same bytes.
wheel deb sbom: export SOURCE_DATE_EPOCH = $(shell git log -1 --format=%ct)

wheel: $(BIN)/.installed  ## dist/ari_recorder-….whl, to be installed by pip or pipx
	rm -rf build
	$(BIN)/pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist .

deb: $(BIN)/.installed  ## dist/ari-recorder_….deb, with everything it needs but Python
	$(BIN)/python packaging/debian/build.py dist

sbom: $(BIN)/.installed  ## dist/ari-recorder_….cdx.json: what the program is made of, as CycloneDX
	$(BIN)/python packaging/debian/sbom.py dist

docs: $(BIN)/.installed  ## the documents as a site, in build/site; a link that leads nowhere is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build

screenshots: $(BIN)/.installed  ## a picture of every page, in docs/screenshots
	$(BIN)/python -m tests.browser.screenshots

audit-dependencies: $(BIN)/.installed  ## known holes in what is pinned, from the package registry's list of them
	$(BIN)/python -m tests.audit_dependencies

sounds: $(BIN)/.installed  ## make the announcements anew (needs espeak-ng)
	$(BIN)/python asterisk_conf/sounds/make_sounds.py

catalogues: $(BIN)/.installed  ## sentences of the page from the source into its catalogues
	$(BIN)/python -m tests.catalogues

lock: $(BIN)/.installed  ## resolve the dependencies anew
	$(BIN)/pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
		--no-header --no-annotate --upgrade --extra dev pyproject.toml -o requirements.lock

clean:  ## remove what make made
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache demo build dist *.egg-info
