# make run    set up, then train DDID and an undefended encoder on the embedded data, attack both, rank them
# make test   set up, then the whole test suite
# make style  ruff
# make lint   ruff and mypy
# make bench  one table: what attacks, trainings, ranking and workers cost, as ratios
# make site   all published boards as a site in site/: open site/index.html
# make wheel  sdist and wheel in dist/, see docs/release.md
# make docs   the pages of docs/ as a site in build/docs
# make results  train and attack the published boards and experiments anew; days on 2 CPU cores
PYTHON ?= python3
BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile -c constraints.txt
READY := .venv/.ready
# Two cores train `none` and the diffusion model of `ddid` side by side; a GPU has one worker.
WORKERS := $(if $(filter 1,$(shell nproc))$(shell command -v nvidia-smi),,--workers 2)

.DEFAULT_GOAL := run
.PHONY: run test style lint bench docs site wheel results clean

run: $(READY)
	$(BIN)/python -m benchmark run --defense none,ddid $(WORKERS)

test: $(READY)
	$(BIN)/python -m pytest -n 2 --dist worksteal

style: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

lint: style
	$(BIN)/mypy

bench: $(READY)
	$(BIN)/python -m benchmark.bench

site: $(READY)
	rm -rf site
	$(BIN)/python -m benchmark board results/published --format html --output site

wheel: $(READY)
	rm -rf dist
	$(BIN)/python -m build --no-isolation --outdir dist

docs: .venv-docs/.ready
	.venv-docs/bin/zensical build --clean --strict

.venv-docs/.ready: docs/requirements.txt
	$(PYTHON) -m venv .venv-docs
	.venv-docs/bin/python -m pip install --quiet --disable-pip-version-check -r docs/requirements.txt
	touch $@

results: $(READY)
	results/regenerate.sh

# Made once; made anew when the requirements change or when an earlier set-up was cut off.
# torchattacks comes without what it asks for: it pins a requests with security holes. Python compiles
# what is imported, once; pip would compile 13,000 files of which few ever are. A stale egg-info would hide
# new plugins.
$(READY): pyproject.toml constraints.txt
	rm -rf .venv *.egg-info
	$(PYTHON) -m venv .venv
	$(INSTALL) -e '.[dev]'
	$(INSTALL) --no-deps torchattacks
	touch $@

clean:
	rm -rf .venv build dist site *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
