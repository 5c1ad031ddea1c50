"""Runs on a Ray cluster: the records of a run of one process, or a line that says why not."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import replace

import pytest

from benchmark.core.errors import EnvironmentProblem, UsageError
from benchmark.core.progress import SilentProgress
from benchmark.runner.executors import ray_pool, worker_count
from benchmark.runner.executors.ray_messages import RayJob
from benchmark.runner.journal import Journal
from benchmark.runner.run import run_benchmark
from tests.conftest import TINY_PLUGIN
from tests.unit.runner.test_run_tiny import timeless

needs_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None,
    reason="Ray is not installed: pip install 'reid-robustbench[ray]'",
)

PLUGIN = '''
import os, signal
from pathlib import Path
from a_module_beside_it import HALF
from benchmark import Attack, register_attack

@register_attack("mortal")
class Mortal(Attack):
    """Kills its process, once."""

    def perturb(self, encoder, batch):
        died = Path(__file__).with_suffix(".died")
        if os.environ.get("RAY_ADDRESS") and not died.exists():
            died.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return self.project(batch.images + HALF * self.radius, batch.images)
'''


def run(config):
    return run_benchmark(config, SilentProgress())


@needs_ray
@pytest.mark.slow
def test_a_killed_worker_and_no_shared_folder_change_no_record(
    tiny_config, tmp_path, monkeypatch, caplog
):
    files = tmp_path / "plugins"
    files.mkdir()
    (files / "a_module_beside_it.py").write_text("HALF = 0.5")
    (files / "mortal.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(files)
    options = {
        "plugin": [str(TINY_PLUGIN), str(files / "mortal.py")],
        "attack": ["mortal", "metric-fgsm"],
    }
    monkeypatch.setenv("RAY_ADDRESS", "local")

    def apart(*given):
        return replace(RayJob(*given), token="a-file-that-is-not-there")

    monkeypatch.setattr(ray_pool, "RayJob", apart)
    far = tiny_config(**options, output=tmp_path / "far", executor="ray", workers=2)
    try:
        outcome = run(far)
    finally:  # other tests send plugin files to processes, too
        for name, module in list(sys.modules.items()):
            if getattr(module, "__file__", None) == str(files / "mortal.py"):
                del sys.modules[name]
    assert (files / "mortal.died").exists()
    assert "was lost; another one does [" in caplog.text
    events = Journal(far.output / "journal.jsonl").read()
    finished = [event["cell"] for event in events if event["event"] == "finished"]
    assert len(finished) == len(set(finished)) == 4
    assert not list((far.output / "cells").glob(".*"))

    monkeypatch.delenv("RAY_ADDRESS")
    alone = tiny_config(**options, output=tmp_path / "alone")
    ((one, _),) = run(alone).records
    ((other, _),) = outcome.records
    assert timeless(one) == timeless(other)


GREETS = """
from multiprocessing.connection import Connection
from benchmark.runner.executors.ray_cluster import RayWorkers
from benchmark.runner.executors.ray_messages import RayReady
Connection({descriptor}).send(RayReady("a cluster", RayWorkers(1, 1, False)))
"""


@needs_ray
@pytest.mark.parametrize(
    ("program", "what"),
    [("import os; os.abort()", "Ray does not start"), (GREETS, "the Ray cluster went away")],
)
def test_a_cluster_that_goes_away_is_told_in_a_line(tiny_config, monkeypatch, program, what):
    monkeypatch.setattr(ray_pool, "_PROGRAM", program)
    config = tiny_config(executor="ray")
    with pytest.raises(EnvironmentProblem, match=what) as error:
        run(config)
    assert str(config.output / "ray.log") in error.value.hint
    assert not list((config.output / "cells").glob(".shared-*"))


@needs_ray
def test_what_lives_in_this_process_alone_is_refused(tiny_config, monkeypatch):
    monkeypatch.setattr(
        worker_count, "_tied_to_this_process", lambda *_: "it is in memory: write it"
    )
    with pytest.raises(UsageError, match="in memory") as error:
        run(tiny_config(executor="ray", workers=1))
    assert "--executor local" in error.value.hint


def test_a_plan_needs_nothing_of_ray(cli, tiny_arguments, monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "nowhere:1")
    code, out, _ = cli("plan", "--defense", "tiny-defense", *tiny_arguments, "--executor", "ray")
    assert code == 0
    assert "tiny-attack" in out
