"""What becomes of a unit whose worker dies, and what a worker may tell its driver."""

from __future__ import annotations

import logging
import pickle
from multiprocessing.connection import Pipe
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from benchmark.core.errors import EnvironmentProblem, PluginError
from benchmark.core.progress import SilentProgress
from benchmark.runner.executors import choose_pool
from benchmark.runner.executors import worker_processes as subject
from benchmark.runner.executors.grid_progress import GridProgress
from benchmark.runner.executors.messages import Ended
from benchmark.runner.executors.pool import Finished
from benchmark.runner.executors.unit import Unit
from benchmark.runner.executors.wire import told
from benchmark.runner.executors.worker_processes import WorkerProcesses
from benchmark.runner.held_output import HarnessError
from benchmark.runner.store import CellStore
from tests.tiny_cell import tiny_cell

UNIT = Unit(tiny_cell("one"), title="[1/1] one")


class MortalWorker:
    """Dies as often as it is told, then answers."""

    deaths = 0
    given: list[str] = []

    def __init__(self, name: str, *_: Any) -> None:
        self.name, self.unit, self.encoder = name, None, None
        self.connection, self._theirs = Pipe()

    def begin(self, unit: Unit) -> None:
        self.given.append(self.name)
        self.unit: Unit | None = unit
        self.encoder = (unit.cell.defense, unit.cell.seed)
        if type(self).deaths:
            type(self).deaths -= 1
            self._theirs.close()
        else:
            self._theirs.send(Ended(1.0, None))

    def hear(self) -> Finished:
        message, unit = self.connection.recv(), self.unit
        assert unit is not None
        self.unit = None
        return Finished(unit, message.seconds, self.name)

    def end(self, patience_seconds: float = 0) -> str:
        return "was killed by SIGKILL"


@pytest.fixture
def pool(monkeypatch, tmp_path):
    monkeypatch.setattr(subject, "WorkerHandle", MortalWorker)
    monkeypatch.setattr(MortalWorker, "given", [])
    task: Any = None
    return WorkerProcesses(task, tmp_path, GridProgress(SilentProgress()), [{}, {}])


def test_a_unit_of_a_dead_worker_is_tried_once_more(pool, monkeypatch, caplog):
    monkeypatch.setattr(MortalWorker, "deaths", 1)
    with caplog.at_level(logging.WARNING):
        pool.submit(UNIT)
        finished = pool.wait()
    assert finished.error is None
    (line,) = caplog.messages
    assert line.startswith(f"worker 1 was killed by SIGKILL at {UNIT.label}; it is tried once more")
    assert "fewer --workers" in line


def test_two_deaths_end_the_run_and_tell_the_mend(pool, monkeypatch):
    monkeypatch.setattr(MortalWorker, "deaths", 2)
    pool.submit(UNIT)
    error = pool.wait().error
    assert isinstance(error, EnvironmentProblem)
    assert error.what == f"worker 1 was killed by SIGKILL at {UNIT.label}, and one before it"
    assert "fewer --workers" in error.hint
    assert "what is finished is kept" in error.hint


def test_an_idle_worker_that_has_the_encoder_goes_first(pool):
    other = Unit(tiny_cell("two"))
    pool.submit(UNIT)
    pool.submit(other)
    assert {pool.wait().worker, pool.wait().worker} == {"1", "2"}
    pool._workers["1"].encoder = ("another", 0)
    pool.submit(UNIT)
    assert MortalWorker.given == ["1", "2", "2"]
    pool.close()
    assert not pool._workers


class StrangeError(PluginError):
    def __init__(self, one, two, three):
        super().__init__(f"{one}{two}", three)


def test_errors_that_are_sent_are_of_classes_that_every_process_knows():
    sent = pickle.loads(pickle.dumps(told(StrangeError("a", "b", "mend it"))))
    assert (type(sent), sent.what, sent.hint) == (PluginError, "ab", "mend it")
    fault = told(ValueError("no\nmore"))
    assert isinstance(fault, HarnessError)
    assert fault.what == "unexpected ValueError: no"
    assert "run.log" in fault.hint


@pytest.mark.parametrize(
    ("device", "visible", "gpus"),
    [("cpu", "4,5", [None, None]), ("cuda", None, ["0", "1"]), ("cuda", "4,5", ["4", "5"])],
)
def test_each_worker_has_its_share_of_threads_or_a_gpu(
    device, visible, gpus, monkeypatch, tmp_path
):
    if visible is None:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    else:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    monkeypatch.setattr(choose_pool, "threads_of", lambda workers: 6 // workers)
    context: Any = SimpleNamespace(
        policy=SimpleNamespace(device=torch.device(device)),
        store=CellStore(tmp_path),
        config=SimpleNamespace(executor="local"),
    )
    task: Any = None
    chosen = choose_pool.choose_pool(context, task, 2, GridProgress(SilentProgress()))
    assert isinstance(chosen, WorkerProcesses)
    environments = list(chosen._environments.values())
    assert [one["OMP_NUM_THREADS"] for one in environments] == ["3", "3"]
    assert [one.get("CUDA_VISIBLE_DEVICES") for one in environments] == gpus
