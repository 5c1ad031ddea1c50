"""Long measurements say how far they are, down to the passes of a batch."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmark.checks.canary import map_under, ready_attack
from benchmark.checks.probe import measurements, probe_encoder
from benchmark.evaluation.evaluator import Evaluator
from tests.tiny_scene import CPU, make_attack
from tests.tiny_stage import tiny_stage


class Heard:
    """Keeps what is reported."""

    def __init__(self) -> None:
        self.titles: list[str] = []
        self.totals: list[int] = []
        self.steps: list[int] = []
        self.notes: list[str] = []

    @contextmanager
    def task(self, title: str, total: int) -> Iterator[Heard]:
        self.titles.append(title)
        self.totals.append(total)
        yield self

    def advance(self, steps: int = 1, note: str = "") -> None:
        self.steps.append(steps)
        self.notes.append(note)


def test_the_probe_tells_of_each_measurement_and_each_pass() -> None:
    stage, heard = tiny_stage(), Heard()
    probe_encoder(stage.target, seed=0, progress=heard, title="probe tiny")
    assert heard.titles == ["probe tiny"]
    assert heard.totals == [sum(heard.steps)] == [len(measurements()) * len(stage.target.query)]
    assert len([steps for steps in heard.steps if steps]) == len(measurements())
    longest = [note for note in heard.notes if note.partition(",")[0] == "pass 40"]
    assert len(longest) == 2  # of the longest attack, and of the black box


def test_the_canary_tells_of_the_preparation_and_of_the_attack(tmp_path: Path) -> None:
    stage, heard = tiny_stage(), Heard()
    uap = make_attack("uap", epochs=1, epoch_steps=2, identities=4, images=2)
    attack = ready_attack(type(uap), uap.config, 8.0, stage, tmp_path, progress=heard)
    map_under(attack, stage, heard, "canary · uap")
    assert heard.titles == ["preparing uap", "canary · uap"]
    assert sum(heard.steps) == sum(heard.totals)


def test_an_attack_of_one_batch_tells_of_its_passes() -> None:
    stage, heard = tiny_stage(), Heard()
    map_under(make_attack("metric-pgd", steps=5), stage, heard)
    told = [re.fullmatch(r"(pass \d+), (\d+) img/s", note) for note in heard.notes if note]
    assert [one and one[1] for one in told] == [f"pass {n}" for n in range(1, 7)]
    assert all(one and int(one[2]) > 0 for one in told)
    assert not stage.target.encoder._forward_hooks


def test_a_clean_ranking_tells_of_each_batch() -> None:
    stage, heard = tiny_stage(), Heard()
    target = stage.target
    Evaluator.of(
        target.encoder, target.query, target.gallery, policy=CPU, owner="tiny", batch=5, bar=heard
    )
    assert sum(heard.steps) == len(stage.target.query) + len(stage.target.gallery)
    assert max(heard.steps) == 5
