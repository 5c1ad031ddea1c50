"""A worker that shares no folder with its driver; none of this needs Ray."""

from __future__ import annotations

import json

import pytest

from benchmark.core.device import choose_device
from benchmark.core.errors import DataError, EnvironmentProblem
from benchmark.core.progress import SilentProgress
from benchmark.evaluation import shards
from benchmark.runner.cell_context import CellContext
from benchmark.runner.choice import choose
from benchmark.runner.datasets import RunDatasets
from benchmark.runner.executors.messages import Advanced, Compute, Ended, Opened
from benchmark.runner.executors.packed_plugins import PackedPlugins
from benchmark.runner.executors.ray_cluster import RayWorkers
from benchmark.runner.executors.ray_messages import RayJob
from benchmark.runner.executors.ray_worker import RayWorker
from benchmark.runner.executors.schedule import units_of
from benchmark.runner.executors.worker import WorkerTask
from benchmark.runner.packed_folder import PackedFolder
from benchmark.runner.plan import make_plan
from benchmark.runner.run import run_benchmark
from benchmark.runner.store import CellStore

ONE_WORKER = RayWorkers(1, 1, on_gpu=False)
TIMED = {"seconds", "images_per_second", "share_of_bare", "peak_memory_bytes"}
"""Figures of a cell that differ between two runs."""


@pytest.fixture
def worker_on(tmp_path, monkeypatch):
    """Return a function that starts a worker on a node of some name."""
    monkeypatch.setattr("benchmark.runner.executors.ray_worker.log_to", lambda wire: None)

    def start(node, config, folder, manifests):
        monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path / node))
        task, plugins = WorkerTask(config, manifests, {}), PackedPlugins.of(config.plugin)
        return RayWorker(RayJob(task, folder, ".shared-nothing", plugins).on(ONE_WORKER))

    return start


def plan_of(config):
    choice = choose(config)
    datasets = RunDatasets(config, choice, SilentProgress())
    store = CellStore(config.output / "cells")
    context = CellContext(config, datasets, store, choose_device("cpu"), SilentProgress())
    return context, make_plan(config, choice, datasets.manifests())


def kept(config):
    """Return what is kept of all cells, without what differs between two runs."""
    found = {}
    for path in (config.output / "cells").glob("*/cell.json"):
        card = json.loads(path.read_text())
        outcome = {k: v for k, v in card["outcome"].items() if k not in TIMED}
        found[card["fingerprint"]] = card["label"], card["environment"], outcome, card["sha256"]
    return found


def test_what_it_needs_is_sent_and_what_it_finds_is_fetched(
    tiny_config, tmp_path, monkeypatch, worker_on
):
    monkeypatch.setattr(shards, "SHARD_IMAGES", 4)
    config = tiny_config("evaluation.batch=2", output=tmp_path / "cluster")
    context, plan = plan_of(config)
    store = context.store
    given = config, store.folder, context.datasets.manifests()
    workers = worker_on("one", *given), worker_on("two", *given)
    kinds, parts = set(), 0
    for cell in plan.cells:
        for number, unit in enumerate(units_of(cell, cell.parts(context), cell.label)):
            cells = [(one.fingerprint, None) for one in cell.ancestors()]
            keys = dict.fromkeys([*cells, *(key for key in unit.needs if key[1])])
            needed = [PackedFolder.of(store, *key) for key in keys]
            parts += sum(one.part is not None for one in needed)
            for message in workers[number % 2].compute(Compute(*unit.key, unit.title), needed):
                kinds.add(type(message))
                if isinstance(message, PackedFolder):
                    message.unpack(store)
            assert message == Ended(message.seconds, None)
            if unit.part is None:
                store.forget_work(cell)
    assert parts == 9
    assert {Opened, Advanced, PackedFolder, Ended} <= kinds
    for worker in workers:
        worker.leave()
    assert not list(tmp_path.glob("*/*.shared-*"))

    alone = tiny_config("evaluation.batch=2", output=tmp_path / "alone")
    run_benchmark(alone, SilentProgress())
    assert kept(config) == kept(alone)


def test_a_damaged_cell_and_other_data_are_told_as_errors(tiny_config, tmp_path, worker_on):
    config = tiny_config(output=tmp_path / "cluster")
    context, plan = plan_of(config)
    worker = worker_on("one", config, context.store.folder, {"tiny": "another"})
    ended = list(worker.compute(Compute(plan.cells[0].fingerprint, None, "train"), []))[-1]
    assert isinstance(ended.error, DataError)
    assert "the data set tiny is another one on" in ended.error.what
    torn = PackedFolder(plan.cells[0].fingerprint, None, {"cell.json": b"{}"})
    (ended,) = worker.compute(Compute(plan.cells[1].fingerprint, None, "clean"), [torn])
    assert isinstance(ended.error, EnvironmentProblem)
