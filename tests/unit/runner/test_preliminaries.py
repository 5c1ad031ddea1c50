"""What a defense does before its prerequisites are trained: alone, once, and kept."""

from __future__ import annotations

import pytest

from benchmark import Defense, register_defense
from benchmark.core.errors import PluginError
from benchmark.core.progress import SilentProgress
from benchmark.runner.choice import choose
from benchmark.runner.executors.schedule import units_of
from benchmark.runner.journal import Journal
from benchmark.runner.plan import make_plan
from benchmark.runner.run import run_benchmark
from tests.kills import Killed

GENERATOR = "generator"


@register_defense("tiny-with-generator")
class TinyWithGenerator(Defense):
    """Trains like another one, with a file that was written before."""

    trainings = 0

    def prerequisites(self):
        return ("tiny-defense",)

    def preliminaries(self):
        return (GENERATOR,)

    def preliminary(self, name, task):
        type(self).trainings += 1
        with pytest.raises(PluginError, match="not at hand"):
            task.encoder_of("tiny-defense")
        (task.work_dir / name / "weights.txt").write_text(str(len(task.train)))

    def prepare(self, task):
        assert (task.work_dir / GENERATOR / "weights.txt").read_text() == str(len(task.train))
        return super().prepare(task)

    def training_step(self, step):
        return step.retrieval_loss(step.images)


@pytest.fixture(autouse=True)
def _count_from_zero():
    TinyWithGenerator.trainings = 0


def config_of(tiny_config):
    return tiny_config(defense=["tiny-with-generator"], attack=["random-noise"])


def test_it_waits_for_nothing_and_the_training_for_both(tiny_config):
    choice = choose(config := config_of(tiny_config))
    (trial,) = make_plan(config, choice, dict.fromkeys(choice.sources, "0")).trials
    cell = trial.train
    before, training = units_of(cell, cell.plugin.preliminaries())
    assert (before.part, before.needs) == (GENERATOR, frozenset())
    assert training.needs == {before.key, (cell.parents[0].fingerprint, None)}


def test_a_kill_in_the_training_does_not_lose_it(tiny_config, monkeypatch):
    config, fit = config_of(tiny_config), TinyWithGenerator.fit

    def kill(defense, task):
        raise Killed

    monkeypatch.setattr(TinyWithGenerator, "fit", kill)
    with pytest.raises(Killed):
        run_benchmark(config, SilentProgress())
    monkeypatch.setattr(TinyWithGenerator, "fit", fit)
    ((record, _),) = run_benchmark(config, SilentProgress()).records
    assert TinyWithGenerator.trainings == 1
    parts = [e for e in Journal(config.output / "journal.jsonl").read() if e["event"] == "part"]
    assert [e["part"] for e in parts] == [GENERATOR]
    assert record.training.seconds >= parts[0]["seconds"]


def test_what_it_raises_is_a_fault_of_the_defense(tiny_config, monkeypatch):
    monkeypatch.setattr(TinyWithGenerator, "preliminary", lambda *_: 1 / 0)
    (failure,) = run_benchmark(config_of(tiny_config), SilentProgress()).failures
    assert "tiny-with-generator" in failure.error.what
    assert "ZeroDivisionError" in failure.error.what


def test_one_that_is_named_and_not_written_is_told(tiny_config, monkeypatch):
    monkeypatch.setattr(TinyWithGenerator, "preliminary", Defense.preliminary)
    (failure,) = run_benchmark(config_of(tiny_config), SilentProgress()).failures
    assert "names the preliminary 'generator' and does none" in failure.error.what
    assert failure.error.hint == "write preliminary()"
