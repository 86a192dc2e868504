# `make devnet` to see it work, `make test` to see it proven.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: zoo help setup setup-contracts build devnet test lint slither fmt bench bench-inference bench-disputes bench-machine fuzz model floats neon conformance mutants clean

# anvil, forge and cast as contracts/package-lock.json has them (setup puts them there unless PATH has the right ones);
# cargo where rustup puts it, for shells that have not read its settings yet.
export PATH := $(CURDIR)/contracts/node_modules/.bin:$(PATH):$(HOME)/.cargo/bin

help: ## Show this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Install what is missing (Debian/Ubuntu packages, npm tools)
	@scripts/setup.sh

setup-contracts:
	@scripts/setup.sh --contracts

build: setup ## Build everything in the release profile
	cargo build --release --workspace

devnet: build ## Start a local rollup, ask a model, watch a liar lose its bond
	@target/release/assay-devnet $(DEVNET_ARGS)

test: setup-contracts ## Run every test, contracts included
	cd contracts && scripts/forge.sh test --offline && scripts/dapp.sh --test
	cargo build --release --workspace
	cargo test --release --workspace --lib --bins --tests --no-fail-fast

# A transaction's error says what the operator needs; boxing it would hide that behind a pointer at every use.
CLIPPY_ALLOW := -A clippy::result_large_err

lint: setup-contracts ## Formatting, lints, contracts/abi, storage layouts and gas, warnings are errors
	cargo fmt --all --check
	cargo clippy --release --workspace --all-targets -- -D warnings $(CLIPPY_ALLOW)
	cd contracts && scripts/forge.sh fmt --check src test mock template/src template/test && node scripts/abi.mjs --check && \
		node scripts/layout.mjs --check && node scripts/gas.mjs --check && \
		node scripts/economics.mjs --check

slither: setup-contracts ## Slither over the contracts: each finding must be answered (docs/slither.md; needs Python)
	node contracts/scripts/slither.mjs

fmt: setup-contracts ## Format everything
	cargo fmt --all
	cd contracts && scripts/forge.sh fmt src test mock template/src template/test

bench: build ## Measure steps and a dispute; writes target/bench/summary.json
	cargo test --release -p assay-tests --test machine lockstep::
	cargo test --release -p assay-conformance
	$(MAKE) --no-print-directory bench-machine
	@target/release/assay-devnet bench --out target/bench/summary.json
	@node contracts/scripts/gas.mjs --out target/bench/summary.json
	$(MAKE) --no-print-directory bench-inference

# The exact engine beside llama.cpp, on random models of TinyLlama's shape (three files of 0.6 to 1.2 GB in target/bench/models).
bench-inference:
	cargo build --release --workspace
	@target/release/assay-inference-bench --quality --out target/bench/summary.json
	@target/release/assay-inference-bench --out target/bench/summary.json
	$(MAKE) --no-print-directory bench-disputes

# Whole disputes with real services over random models: SIZES and TOKENS take lists with commas.
SIZES ?= 1.1b
TOKENS ?= 256
COMMA := ,
bench-disputes: ## Measure disputes over large models (SIZES=0.1b,0.5b,1.1b TOKENS=64,256,1024)
	@for size in $(subst $(COMMA), ,$(SIZES)); do \
		target/release/assay-inference-bench --size $$size --types Q8_0 --prefill 0 --replay 0 0 --serve 0 || exit 1; \
	done
	@target/release/assay-devnet bench-sizes --sizes $(SIZES) --tokens $(TOKENS) --out target/bench/summary.json

# The machine beside wasmi and wasmtime, in a profile of its own: all built with LTO as one unit.
bench-machine:
	cargo run --profile bench-machine -p assay-machine-bench --features engines

fuzz: setup-contracts ## Longer randomized runs (ASSAY_VECTORS=1000000 an operator, ASSAY_MODULES=20000, ASSAY_CASES=20000, FOUNDRY_FUZZ_RUNS=10000 by default)
	ASSAY_VECTORS=$${ASSAY_VECTORS:-1000000} ASSAY_MODULES=$${ASSAY_MODULES:-20000} cargo test --release -p assay-tests --test machine -- floats:: fuzz:: smith:: --nocapture
	ASSAY_CASES=$${ASSAY_CASES:-20000} cargo test --release -p assay-tests --test inference -- fuzz:: --nocapture
	cd contracts && FOUNDRY_FUZZ_RUNS=$${FOUNDRY_FUZZ_RUNS:-10000} scripts/forge.sh test --offline --match-test testFuzz

# They wait for blocks most of the time. Of the workspace, whose features `make test` has built already.
zoo: setup-contracts ## Hostile actors against the services, a chain for each (minutes)
	cargo test --release --workspace --test zoo -- --ignored --test-threads 5

model: ## Every order of everything around one claim, and a second after it, the contracts beside a model (minutes)
	cargo test --release -p assay-tests --test claims -- --include-ignored --nocapture

floats: ## Floats at length: Solidity on 10^6 pairs an operator, the machine on 10^8 and on every f32 (some hours)
	ASSAY_VECTORS=$${ASSAY_VECTORS:-1000000} cargo test --release -p assay-tests --test machine floats:: -- --nocapture
	ASSAY_SOFT_VECTORS=$${ASSAY_SOFT_VECTORS:-100000000} ASSAY_EXHAUSTIVE=$${ASSAY_EXHAUSTIVE:-1} \
		cargo test --release -p assay-tests --test machine floats_soft:: -- --nocapture
	ASSAY_EXHAUSTIVE=$${ASSAY_EXHAUSTIVE:-1} cargo test --release -p assay-inference --test scalars -- --nocapture

neon: ## The ARM kernels, on emulated processors (installs a cross linker and qemu-user; minutes)
	@scripts/neon.sh

conformance: ## The official WebAssembly suite, every step proven; writes the table of docs/conformance.md anew
	ASSAY_BLESS=1 cargo test --release -p assay-conformance

# ASSAY_MUTANT_CALLS: the most calls that a mutant answers in one contract before it is let live.
mutants: setup-contracts ## Change the step contracts in 3,500 ways: the tests must notice each (docs/mutants.md; an hour)
	rm -rf target/mutants && mkdir -p target/mutants/calls
	ASSAY_RECORD=$(CURDIR)/target/mutants/calls cargo test --release -p assay-tests --test machine -- \
		--skip floats_soft --skip parity --skip gas
	node contracts/scripts/mutants.mjs target/mutants/code
	cargo run --release -p assay-tests --example mutants -- target/mutants/calls target/mutants/code

clean: ## Remove build output
	cargo clean
	rm -rf contracts/out contracts/cache
