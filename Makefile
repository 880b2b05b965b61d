# Thin: make demo, make test, make bench; each installs what it runs and calls cmake.
SHELL := /bin/bash
BUILD := build
JOBS  := $(shell nproc)

all: ## build release into build/ (installs nothing)
	@scripts/need build
	@cmake --preset release -S . >$(BUILD).log 2>&1 || { cat $(BUILD).log; exit 1; }
	@rm -f $(BUILD).log
	@cmake --build $(BUILD) -j$(JOBS)

build-tests: ## build the tests too
	@scripts/need build test
	@$(MAKE) --no-print-directory all
	@cmake --build $(BUILD) -j$(JOBS) --target build-tests

demo: ## a service, three providers, one of whom cheats; KEEP=1 leaves it running
	@scripts/need --install demo
	@$(MAKE) --no-print-directory all
	@KEEP=$(KEEP) scripts/demo

test: ## all that takes under 20 minutes on 2 cores; some parts: tests/run PART...
	@scripts/need --install build test
	@tests/run

test-slow: ## the long parts, proofs over all inputs among them; one: ONLY=part
	@scripts/need --install build test slow
	@tests/run-slow $(ONLY)

bench: ## ratios against real libraries, bits checked first; writes build/bench.json
	@scripts/need --install build bench
	@$(MAKE) --no-print-directory all
	@tests/run-bench

bench-models: ## real models beside onnxruntime: time and memory; writes build/bench-models.json
	@scripts/need --install build bench
	@$(MAKE) --no-print-directory all
	@scripts/fetch-models
	@tests/bench-models $(RUNS)

install: all ## into DESTDIR and PREFIX (default /usr/local)
	@cmake -DCMAKE_INSTALL_PREFIX=$(or $(PREFIX),/usr/local) $(BUILD) >/dev/null
	@cmake --install $(BUILD)

clean: ## remove build/ and demo-run/
	rm -rf $(BUILD) demo-run

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /make \1\t/p' Makefile | expand -t 18

.PHONY: all build-tests demo test test-slow bench bench-models install clean help
.DEFAULT_GOAL := all
