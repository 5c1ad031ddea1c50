# make run    set up, then train DDID on the embedded data, attack it, print the leaderboard
# make test   set up, then the whole test suite
# make lint   ruff and mypy
# make bench  cost of attacks and of ranking
# make results  train and attack every defense of the published board anew; hours
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.DEFAULT_GOAL := run
.PHONY: run test lint bench results clean

run: $(READY)
	$(BIN)/python -m benchmark run --defense ddid

test: $(READY)
	$(BIN)/python -m pytest -n 2

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(READY)
	$(BIN)/python -m benchmark.bench

# A run that was stopped goes on; the records take the place of the published ones at the end.
BOARDS := board board-wide board-tuned board-single-step board-single-step-pgd board-single-step-wide
LONG := board-long board-long-single-step
results: $(READY)
	$(call publish,board,$(BOARDS),)
	$(call publish,board-grid,$(BOARDS),--attack all --attack-seed 0)
	$(call publish,board-long,$(LONG),)

# Run some presets and put their records, and no others, into a published folder.
define publish
	for preset in $2; do \
		rm -rf runs/$$preset/records && \
		$(BIN)/python -m benchmark run --preset $$preset $3 --output runs/$$preset || exit 1; \
	done
	rm -rf results/published/$1 && mkdir -p results/published/$1
	for preset in $2; do \
		cp runs/$$preset/records/* results/published/$1 || exit 1; \
	done
endef

# Made once; made anew when the requirements change or when an earlier set-up was cut off.
$(READY): pyproject.toml constraints.txt
	rm -rf .venv
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

clean:
	rm -rf .venv build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
