"""The audit of balancing on tiny data, in process."""

from __future__ import annotations

import json

import pytest

from benchmark.core.behaviour import Behaviour
from benchmark.core.errors import DataError, UsageError
from benchmark.experiments.balancing_audit.balancing_audit import BALANCE_ROWS, ROWS

TINY_DDID = (
    "defense.balancing_options.delta1=14",
    "defense.balancing_options.percentile=0",
    "defense.balancing_options.attempts=1",
    "defense.balancing_options.min_distance=0",
    "training.epochs=1",
)
OWN = {"camera_epochs": 1, "pairs": 2, "sheet_rows": 3, "sources": ["augmentation", "oversampling"]}


def test_every_source_is_measured_beside_the_real_images(run_tiny):
    done = run_tiny("balancing-audit", OWN, *TINY_DDID, defense=["ddid"])
    assert not done.failures
    result = json.loads(next(p for p in done.files if p.name == "result.json").read_text())
    rows = result["result"]
    assert list(rows) == ["real", "augmentation", "oversampling"]
    for by_seed in rows.values():
        assert set(by_seed["0"]["figures"]) == set(ROWS)
        assert set(by_seed["0"]["balance"]) == set(BALANCE_ROWS)
        assert sum(by_seed["0"]["images_by_identity"].values()) == by_seed["0"]["balance"]["images"]
    copies, real = rows["oversampling"]["0"]["figures"], rows["real"]["0"]["figures"]
    assert copies["copies"] == 1.0
    assert copies["pixels_median"] == pytest.approx(0, abs=1e-6)
    assert real["copies"] == 0.0
    assert real["pixels_close"] == pytest.approx(0.05, abs=0.03)
    assert rows["oversampling"]["0"]["balance"]["least"] == 14
    assert rows["augmentation"]["0"]["figures"]["copies"] == 0.0
    assert {p.name for p in done.files if p.suffix == ".png"} == {
        "augmentation-seed0.png",
        "oversampling-seed0.png",
    }


def test_the_preparation_is_kept_and_sees_no_test_image(run_tiny, monkeypatch):
    from benchmark.experiments.balancing_audit.balancing_audit import BalancingAudit
    from defenses.ddid.defense import DDID

    calls = []
    real = DDID.prepare

    def prepare(self, task):
        calls.append(len(task.train))
        return real(self, task)

    monkeypatch.setattr(DDID, "prepare", prepare)
    own = {**OWN, "sources": ["oversampling"]}
    first = run_tiny("balancing-audit", own, *TINY_DDID, defense=["ddid"])
    again = run_tiny("balancing-audit", own, *TINY_DDID, defense=["ddid"])
    assert len(calls) == 1
    assert first.document["result"] == again.document["result"]

    def peek(self, context):
        context.split(context.config.dataset, "query")

    monkeypatch.setattr(BalancingAudit, "run", peek)
    with pytest.raises(DataError, match="may not look"):
        run_tiny("balancing-audit", own, *TINY_DDID, defense=["ddid"])


def test_other_code_does_not_go_on_with_what_old_code_left_unfinished(run_tiny, monkeypatch):
    """A killed preparation leaves its work folder; it is found again by the same code alone."""
    from defenses.ddid.defense import DDID

    seen = []
    real = DDID.prepare

    def prepare(self, task):
        seen.append((task.work_dir, (task.work_dir / "left").exists()))
        (task.work_dir / "left").touch()
        if len(seen) == 1:
            raise KeyboardInterrupt
        return real(self, task)

    monkeypatch.setattr(DDID, "prepare", prepare)
    own = {**OWN, "sources": ["oversampling"]}
    with pytest.raises(KeyboardInterrupt):
        run_tiny("balancing-audit", own, *TINY_DDID, defense=["ddid"])
    with monkeypatch.context() as other:
        other.setattr(DDID, "behaviour", classmethod(lambda cls: Behaviour("b", "b", "b")))
        run_tiny("balancing-audit", own, *TINY_DDID, defense=["ddid"])
    run_tiny("balancing-audit", own, *TINY_DDID, defense=["ddid"])
    assert [left for _, left in seen] == [False, False, True]
    assert not any(folder.exists() for folder, _ in seen[1:]), "finished work is cleared away"


def test_sources_of_two_defenses_do_not_take_each_others_place(run_tiny):
    own = {**OWN, "sources": ["oversampling"]}
    done = run_tiny("balancing-audit", own, *TINY_DDID, defense=["ddid", "free-ddid"])
    assert list(done.document["result"]) == ["real", "ddid oversampling", "free-ddid oversampling"]


def test_a_figure_of_an_earlier_run_does_not_stay_beside_another_result(run_tiny):
    own = {**OWN, "sources": ["oversampling"]}
    first = run_tiny("balancing-audit", own, *TINY_DDID, defense=["ddid"], seed=[0, 1])
    home = next(path for path in first.files if path.suffix == ".png").parent
    assert {p.stem for p in home.glob("*.png")} == {"oversampling-seed0", "oversampling-seed1"}
    run_tiny("balancing-audit", own, *TINY_DDID, defense=["ddid"])
    assert {p.stem for p in home.glob("*.png")} == {"oversampling-seed0"}


def test_a_defense_that_adds_nothing_cannot_be_audited(run_tiny):
    with pytest.raises(UsageError, match="adds no image"):
        run_tiny("balancing-audit", OWN, "training.epochs=1", defense=["none"])
