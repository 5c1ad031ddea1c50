"""Trainings on processes of their own: gone on with, shown, killed, and refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from torch import nn

from benchmark.core.defense import FitTask
from benchmark.core.errors import BenchmarkError, EnvironmentProblem, PluginError, UsageError
from benchmark.core.plugin import PluginConfig
from benchmark.training import rank_launch
from benchmark.training.loop import OnEpoch
from benchmark.training.rank_launch import FOLDER, check_ranks, train_on_ranks
from benchmark.training.rank_task import RankTask
from defenses.none import NoDefense
from tests.kills import KillAfter, Killed
from tests.tiny_scene import BACKBONE, CPU, TRAINING, fit, image_set, make_defense, tiny_encoder

TWO = TRAINING.model_copy(update={"ranks": 2})
pytestmark = pytest.mark.usefixtures("two_cores")


@pytest.fixture
def two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rank_launch, "cores", lambda: 2)


@pytest.mark.slow
def test_two_ranks_go_on_with_a_training_of_one(tmp_path: Path) -> None:
    alone = fit(make_defense("metric-at"), tmp_path / "alone")
    with pytest.raises(Killed):
        fit(make_defense("metric-at"), tmp_path / "both", progress=KillAfter(5, noted=True))
    shown = KillAfter(100, noted=True)
    both = fit(make_defense("metric-at"), tmp_path / "both", training=TWO, progress=shown)
    assert shown.passed == 6  # the steps of two epochs, as the first rank reports them
    assert both.history[0] == alone.history[0]
    losses = [[row["loss"] for row in one.history] for one in (both, alone)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    assert both.passes == alone.passes
    assert [[*row] for row in both.history] == [[*row] for row in alone.history]
    assert both.peak_memory_bytes > 2**20
    assert not (tmp_path / "both" / FOLDER).exists()


STAND_IN = """
import os, signal, sys, time
from multiprocessing.connection import Connection
rank, driver = int(os.environ["RANK"]), Connection(int(sys.argv[2]), readable=False)
"""
"""Start of a program in place of a rank, quick as it imports no torch."""


def run_stand_in(
    program: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    progress: KillAfter | None = None,
    on_epoch: OnEpoch | None = None,
) -> BaseException:
    """Return how a training ends whose ranks run a program."""
    monkeypatch.setattr(rank_launch, "PROGRAM", ("-c", STAND_IN + program))
    monkeypatch.setattr(rank_launch, "GRACE_SECONDS", 1.0)
    train = image_set()
    task = RankTask(make_defense("none"), train, 8, train.subset([]), BACKBONE, TWO, CPU, 0, folder)
    with pytest.raises((BenchmarkError, Killed)) as caught:
        train_on_ranks(task, progress or KillAfter(100), on_epoch)
    assert not (folder / FOLDER).exists()
    return caught.value


def test_a_rank_that_is_killed_is_told_whatever_the_other_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = """
if rank == 1:
    time.sleep(0.3)
    os.kill(os.getpid(), signal.SIGKILL)
driver.send(("failed", time.time(), [RuntimeError("connection closed by peer")]))
"""
    error = run_stand_in(program, tmp_path, monkeypatch)
    assert isinstance(error, EnvironmentProblem)
    assert "rank 1 of 2 was killed" in error.what
    assert "run again" in error.hint


def test_the_first_error_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = """
from benchmark.core.errors import PluginError
error = PluginError(f"rank {rank}", "mend it")
driver.send(("failed", float(rank), [error, RuntimeError("CUDA out of memory")]))
sys.exit(1)
"""
    error = run_stand_in(program, tmp_path, monkeypatch)
    assert isinstance(error, PluginError)
    assert (error.what, error.hint) == ("rank 0", "mend it")
    assert str(error.__cause__) == "CUDA out of memory"


def test_a_rank_that_ends_without_a_word_is_told_with_its_last_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = run_stand_in("sys.exit('no such library')", tmp_path, monkeypatch)
    assert str(error) == "rank 0 of 2 ended with code 1: no such library"


def test_ranks_that_leave_no_last_checkpoint_are_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "is not of the last epoch" in str(run_stand_in("", tmp_path, monkeypatch))


def test_the_ranks_end_with_their_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = f"""
if rank == 0:
    open({str(tmp_path / "pid")!r}, "w").write(str(os.getpid()))
    driver.send(("task", "training", 3))
    driver.send(("epoch", [{{"loss": 3.0}}]))
    driver.send(("advance", 1, "loss 2"))
time.sleep(60)
"""
    told: list[object] = []
    error = run_stand_in(program, tmp_path, monkeypatch, KillAfter(0), told.append)
    assert isinstance(error, Killed)
    assert told == [[{"loss": 3.0}]]
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_more_ranks_than_cores_are_refused() -> None:
    with pytest.raises(UsageError, match=r"training\.ranks=3 are more than the 2 cores") as caught:
        check_ranks(3, CPU)
    assert "training.ranks=2 or fewer" in caught.value.hint
    check_ranks(2, CPU)


def test_ranks_without_accelerate_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rank_launch, "find_spec", lambda name: None)
    with pytest.raises(EnvironmentProblem, match="accelerate, which is not installed") as caught:
        check_ranks(2, CPU)
    assert "pip install 'reid-robustbench[accelerate]'" in caught.value.hint
    check_ranks(1, CPU)


class TrainsByItself(NoDefense):
    """Has a training of its own."""

    name = "trains-by-itself"

    def fit(self, task: FitTask) -> nn.Module:
        return tiny_encoder()


def test_ranks_that_do_nothing_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    fit(TrainsByItself(PluginConfig()), tmp_path, training=TWO)
    assert "training.ranks=2 changes nothing there" in caplog.text
    caplog.clear()
    fit(make_defense("jpeg"), tmp_path, training=TWO)
    fit(TrainsByItself(PluginConfig()), tmp_path)
    assert not caplog.text
