# make demo | test | bench | lint | fmt. Each installs what it needs and works twice in a row.
SHELL := /bin/bash
.DEFAULT_GOAL := help
# Debian keeps mkfs and losetup where an ordinary user's PATH does not look.
export PATH := $(PATH):/usr/local/sbin:/usr/sbin:/sbin
.PHONY: help demo test crash fuzz bench lint fmt setup

help: ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

setup: ## installs and starts what the other targets need
	@tests/setup/all.sh

demo: setup ## the service beside two local forges, pull requests checked before your eyes (DEMO=once ends by itself)
	@cargo build --quiet --package gatewright --package gatewright-tests --bin gatewright --bin demo
	@exec target/debug/demo

test: setup lint ## every test: units, contracts, scenarios
	@cargo test --quiet --doc --workspace
	@cargo nextest run --workspace --no-fail-fast --test-threads $$((2 * $$(nproc)))

crash: setup ## kills the service at every place of its work, where `make test` takes some (half an hour)
	@GATEWRIGHT_CRASH_EVERYWHERE=1 cargo nextest run --profile crash --package gatewright-tests --no-fail-fast --test-threads $$((2 * $$(nproc))) -E 'test(killed)'

fuzz: ## every fuzz target for a minute (SECONDS_EACH says otherwise); needs cargo-fuzz
	@tests/fuzz.sh

bench: setup ## the figures of docs/performance.md, against their peers, in one session
	@tests/benches/run.sh

lint: setup ## formatting, clippy, dependency rules, what runs elsewhere: the action, workflows, the component, scripts
	@tests/lint/ci.sh
	@cargo fmt --all --check
	@cargo clippy --quiet --workspace --all-targets -- -D warnings

fmt: ## formats everything
	@cargo fmt --all
