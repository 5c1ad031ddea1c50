"""TensorBoard shows what a run kept, whether cells were computed or reused."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from benchmark.core.errors import EnvironmentProblem
from benchmark.core.progress import SilentProgress
from benchmark.runner.event_writer import training_folder, write_live
from benchmark.runner.run import run_benchmark

SILENT = SilentProgress()


def shown(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Return the curves of a folder of event files."""
    events = EventAccumulator(str(folder)).Reload()
    return {
        tag: [(one.step, one.value) for one in events.Scalars(tag)]
        for tag in events.Tags()["scalars"]
    }


def test_losses_and_traces_are_written_once_and_again_if_deleted(tiny_config):
    config = tiny_config(tensorboard=True, attack=["metric-fgsm", "tiny-attack"])
    ((record, _),) = run_benchmark(config, SILENT).records
    folder = config.output / "tensorboard"
    (run,) = folder.iterdir()
    assert run.name.startswith("tiny-defense-seed0-")
    losses = shown(run / "training")["training/loss"]
    assert losses == [
        (int(row["epoch"]), pytest.approx(row["loss"])) for row in record.training.history
    ]
    attacks = shown(run / "attacks")
    attacked = {one.name: one.map for one in record.attacks}
    assert attacks["mAP/metric-fgsm 8/255 tiny"] == [(0, pytest.approx(attacked["metric-fgsm"]))]
    assert attacks["objective/metric-fgsm 8/255 tiny"]

    files = {path: path.stat().st_mtime_ns for path in folder.rglob("events*")}
    run_benchmark(config, SILENT)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("events*")} == files
    shutil.rmtree(folder)
    run_benchmark(config, SILENT)  # all cells are reused
    assert shown(run / "training")["training/loss"] == losses
    assert shown(run / "attacks") == attacks


def test_a_training_that_is_still_running_shows_its_epochs(tiny_config, monkeypatch):
    config = tiny_config("training.epochs=3", tensorboard=True)
    seen = []

    def after_two(folder, train, history):
        write_live(folder, train, history)
        if len(history) == 2:
            seen.extend(shown(training_folder(folder, train))["training/loss"])
            raise KeyboardInterrupt

    monkeypatch.setattr("benchmark.runner.cells.train.write_live", after_two)
    with pytest.raises(KeyboardInterrupt):
        run_benchmark(config, SILENT)
    monkeypatch.undo()
    assert [step for step, _ in seen] == [1, 2]
    run_benchmark(config, SILENT)
    (run,) = (config.output / "tensorboard").iterdir()
    assert len(list((run / "training").iterdir())) == 1  # that of the finished cell alone
    assert [step for step, _ in shown(run / "training")["training/loss"]] == [1, 2, 3]


def test_nothing_is_written_unasked(tiny_config):
    config = tiny_config(attack=["metric-fgsm"])
    run_benchmark(config, SILENT)
    assert not (config.output / "tensorboard").exists()


def test_a_run_without_the_package_ends_before_any_work(tiny_config, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    config = tiny_config(tensorboard=True)
    with pytest.raises(EnvironmentProblem) as caught:
        run_benchmark(config, SILENT)
    assert caught.value.hint.startswith("pip install 'reid-robustbench[tensorboard]'")
    assert not config.output.exists()
