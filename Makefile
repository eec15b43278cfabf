# Every target sets up .venv by itself; nothing but python3 (3.11 or newer), make and git is needed.
.PHONY: help setup demo test check fmt bench peers soak
BIN := .venv/bin
# What takes a task_status: flake8-async then sees where `start_soon` is used in place of `start`.
STARTABLE := run,listen,serve,_carry,_serve,_stop_on_signal

help:
	@echo "make demo    a leveraged account from calm to liquidation, no keys needed"
	@echo "make test    every test, under five minutes on two cores"
	@echo "make check   formatting, linters, types, floors and docs"
	@echo "make bench   what has a budget, as ratios against a reference"
	@echo "make soak    the seeded stories, frames and kills of \`make test\`: SEEDS, FRAMES, KILLS"
	@echo "make peers   other people's clients against the simulator, pass or fail per call"
	@echo "make fmt     let the formatter and the fixable lints have their way"

setup:
	@scripts/setup.sh

demo: setup
	@$(BIN)/marginwatch demo

test: setup
	@$(BIN)/python -m pytest -q -n 2 --dist worksteal

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	git ls-files -co --exclude-standard '*.py' | xargs $(BIN)/python -m flake8_async --startable-in-context-manager=$(STARTABLE)
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/python scripts/check_docs.py

fmt: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: setup
	$(BIN)/python bench/run.py

SEEDS := 1000
FRAMES := 1000000
KILLS := 500
soak: setup
	$(BIN)/python scripts/soak.py --seeds $(SEEDS) --frames $(FRAMES) --kills $(KILLS)

peers: setup
	@scripts/peers.sh
