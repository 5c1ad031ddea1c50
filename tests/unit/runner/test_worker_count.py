"""How many workers there are, and when another process could not do the work."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from benchmark.core.device import DevicePolicy
from benchmark.core.errors import UsageError
from benchmark.core.progress import SilentProgress
from benchmark.core.registry import ATTACKS
from benchmark.experiments.run_experiment import run_experiment
from benchmark.runner.choice import choose
from benchmark.runner.executors import worker_count as subject
from benchmark.runner.executors.worker_count import threads_of, worker_count
from benchmark.runner.preview import preview
from tests.tiny_scene import CPU

GPU = DevicePolicy(torch.device("cuda"))


def count(config, policy=CPU) -> int:
    return worker_count(config, choose(config), policy)


@pytest.mark.parametrize(
    ("cores", "expected", "threads"), [(1, 1, 1), (2, 1, 2), (4, 1, 4), (6, 2, 3), (16, 7, 2)]
)
def test_one_worker_for_each_two_cores_beyond_the_first_two(
    tiny_config, monkeypatch, cores, expected, threads
):
    monkeypatch.setattr(subject, "cores", lambda: cores)
    monkeypatch.setattr(torch, "get_num_threads", lambda: cores)
    assert count(tiny_config(workers=None)) == expected
    assert threads_of(expected) == threads


def test_threads_are_no_more_than_the_user_allows(monkeypatch):
    monkeypatch.setattr(subject, "cores", lambda: 16)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    assert threads_of(2) == 1


def test_one_worker_a_gpu(tiny_config, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    assert count(tiny_config(workers=None), GPU) == 3
    with pytest.raises(UsageError, match="4 workers, and there are 3 GPUs") as caught:
        count(tiny_config(workers=4), GPU)
    assert caught.value.hint == "use --workers 3 or fewer"


def test_more_workers_than_cores_are_refused_before_any_work(tiny_config, monkeypatch):
    monkeypatch.setattr(subject, "cores", lambda: 2)
    with pytest.raises(UsageError, match="3 workers, and there are 2 cores"):
        count(tiny_config(workers=3))
    assert count(tiny_config(workers=2)) == 2
    with pytest.raises(UsageError, match="workers"):
        tiny_config(workers=0)


def test_a_plugin_of_this_process_alone_is_refused_or_computed_here(tiny_config, monkeypatch):
    monkeypatch.setattr(subject, "cores", lambda: 8)
    config = tiny_config(workers=2)
    elsewhere = SimpleNamespace(**{**dict(config), "plugin": [Path("other.py")]})
    with pytest.raises(UsageError, match="known to this process alone") as caught:
        worker_count(elsewhere, choose(config), CPU)  # type: ignore[arg-type]
    assert "put it into a file" in caught.value.what
    assert "--workers 1" in caught.value.hint
    elsewhere.workers = None
    assert worker_count(elsewhere, choose(config), CPU) == 1  # type: ignore[arg-type]


def test_a_plugin_of_unknown_sources_is_another_one_in_each_process(tiny_config, monkeypatch):
    monkeypatch.setattr(subject, "cores", lambda: 8)
    config = tiny_config(workers=2)
    unknown = SimpleNamespace(unknown=["open(name)"])
    monkeypatch.setattr(ATTACKS.get("tiny-attack"), "behaviour", lambda: unknown)
    with pytest.raises(UsageError, match="reads sources that are not known"):
        count(config)


def test_an_experiment_has_one_worker(tiny_config):
    with pytest.raises(UsageError, match="in one process"):
        run_experiment(None, tiny_config(workers=2), SilentProgress())  # type: ignore[arg-type]


def test_a_preview_foretells_the_time_of_several_workers(tiny_config, monkeypatch):
    monkeypatch.setattr(subject, "cores", lambda: 4)
    alone = preview(tiny_config(workers=1, eps=[4, 8]))
    several = preview(tiny_config(workers=3, eps=[4, 8]))
    assert (alone.workers, several.workers) == (1, 3)
    assert alone.minutes == several.minutes == pytest.approx(alone.wall_minutes)
    longest = max(cell.seconds for cell in alone.cells) / 60
    assert longest < several.wall_minutes < alone.wall_minutes


def test_a_training_of_several_ranks_takes_the_gpus_of_other_workers(tiny_config, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    ranks = {"identities": 4, "ranks": 4}
    assert count(tiny_config(workers=None, training=ranks), GPU) == 1
    with pytest.raises(UsageError, match="a training of 4 ranks takes the GPUs of other workers"):
        count(tiny_config(workers=2, training=ranks), GPU)
