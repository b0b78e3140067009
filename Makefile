# The few verbs of this project; `.ci/run` and the README call these and nothing else.

PYTHON       ?= python3
FUZZ_SECONDS ?= 60
PYTEST_ARGS  ?=
CARGO_ARGS   ?=

VENV      := .venv
VENV_TEST := .venv-test
BIN       := $(VENV)/bin
WHEELS    := target/wheels
RESULTS   := docs/benchmarks/results

# Where rustup puts cargo, for a shell that was open before it came.
export PATH := $(HOME)/.cargo/bin:$(PATH)
export PIP_DISABLE_PIP_VERSION_CHECK := 1

# What the built module depends on; what is Python in the package is read where it stands.
SOURCES := $(shell find crates -name '*.rs' -not -path '*/tests/*') \
           $(wildcard Cargo.toml Cargo.lock crates/*/Cargo.toml) pyproject.toml

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help prerequisites build demo test test-rust test-python lint lint-rust lint-python types check bench
.PHONY: bench-report peers fuzz clean

help:  ## show these targets
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: $(VENV)/built  ## make .venv and build the package into it, in release mode

demo: build  ## build, then watch the main job: a feed on two lines, received, arbitrated, decoded
	$(BIN)/feedhandler demo

test: test-rust test-python  ## run the Rust tests, and the Python tests against the installed wheel

lint: lint-rust lint-python  ## check formatting, clippy, rustdoc and ruff

types: build  ## check types strictly, and the stub of the Rust module against the module
	$(BIN)/mypy
	$(BIN)/python -m mypy.stubtest --allowlist tests/stubtest-allowlist.txt feedhandler._core

check: lint types test  ## all that must hold before a change lands: lint, types and test

peers:  ## build the receivers in C, Rust, Go, Node.js and Python that feedhandler is measured against
	$(MAKE) --no-print-directory -C benchmarks/peers PYTHON=$(PYTHON)

bench: build peers  ## measure decoding, receiving and sending, alone and against peers (two cores, an hour)
	$(BIN)/feedhandler bench decode --out $(RESULTS)/decode.json
	$(BIN)/feedhandler bench files --out $(RESULTS)/files.json
	$(BIN)/feedhandler bench receive --out $(RESULTS)/receive.json
	$(BIN)/feedhandler bench send --out $(RESULTS)/send.json
	$(BIN)/feedhandler bench peers --out $(RESULTS)/peers.json
	$(BIN)/feedhandler bench throughput --out $(RESULTS)/throughput.json
	$(BIN)/feedhandler bench latency --out $(RESULTS)/latency.json

bench-report: build  ## draw docs/benchmarks.md, its plots and README's table from the results that are kept
	$(BIN)/feedhandler bench report

fuzz: prerequisites  ## fuzz every reader of foreign bytes, FUZZ_SECONDS (60) each
	tools/fuzz $(FUZZ_SECONDS)

clean:  ## remove what was built
	rm -rf target fuzz/target $(VENV) $(VENV_TEST) .mypy_cache .ruff_cache .pytest_cache .hypothesis
	rm -f feedhandler/_core*.so
	$(MAKE) --no-print-directory -C benchmarks/peers clean

prerequisites:
	@tools/prerequisites $(PYTHON)

test-rust: prerequisites
	cargo test --workspace --exclude feedhandler-py $(CARGO_ARGS)

# A fresh environment with the wheel in it: what is tested is what a user installs.
test-python: $(VENV)/tools
	rm -rf $(WHEELS)
	$(BIN)/maturin build --release --out $(WHEELS)
	$(PYTHON) -m venv --clear $(VENV_TEST)
	$(VENV_TEST)/bin/python -m pip install --quiet --upgrade pip
	$(VENV_TEST)/bin/python -m pip install --quiet $(WHEELS)/feedhandler-*.whl --group test
	$(VENV_TEST)/bin/pytest $(PYTEST_ARGS)

lint-rust: prerequisites
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps

lint-python: $(VENV)/tools
	$(BIN)/ruff format --check
	$(BIN)/ruff check

# pip learnt dependency groups in 25.1.
$(VENV)/tools: pyproject.toml | prerequisites
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --group dev
	@touch $@

# The old module goes first: a build that fails must not leave it to be imported.
$(VENV)/built: $(VENV)/tools $(SOURCES)
	rm -f feedhandler/_core*.so $@
	VIRTUAL_ENV=$(abspath $(VENV)) $(BIN)/maturin develop --release --strip
	@touch $@
