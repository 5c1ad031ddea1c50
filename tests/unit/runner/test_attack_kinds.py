"""Transfer, prepared and black-box attacks as cells of a run."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmark.core.errors import UsageError
from benchmark.core.progress import SilentProgress
from benchmark.runner.choice import choose
from benchmark.runner.plan import make_plan
from benchmark.runner.preview import preview
from benchmark.runner.run import run_benchmark
from tests.conftest import TINY_PLUGIN

PLUGINS = [str(TINY_PLUGIN), str(Path(TINY_PLUGIN).with_name("tiny_attacks.py"))]
MANIFESTS = {"tiny": "a" * 64, "tiny-other": "b" * 64}


@pytest.fixture
def config(tiny_config):
    def build(*attacks: str, **options: object):
        given = {"plugin": PLUGINS, "test_dataset": ["tiny-other"], "attack": list(attacks)}
        return tiny_config(**{**given, **options})

    return build


def test_surrogates_are_trained_once_for_all_targets(config):
    told = config("tiny-transfer", defense=["tiny-defense", "tiny-follower"], seed=[0, 1])
    plan = make_plan(told, choose(told), MANIFESTS)
    trained = [(c.defense, c.dataset, c.seed) for c in plan.cells if c.kind == "train"]
    assert len(trained) == len(set(trained)) == 6
    assert ("tiny-defense", "tiny", 1_000_000) in trained
    assert ("tiny-defense", "tiny-other", 1_000_000) in trained
    seen: set[str] = set()
    for cell in plan.cells:
        assert seen.issuperset(cell.needs)
        seen.add(cell.fingerprint)


def test_a_surrogate_of_other_data_needs_other_data(config):
    told = config("tiny-transfer", test_dataset=["none"])
    with pytest.raises(UsageError, match="needs a surrogate of another data set"):
        choose(told)


def test_other_data_need_not_be_tested_on(tiny_config):
    told = tiny_config(
        plugin=PLUGINS,
        attack=["tiny-transfer"],
        test_dataset=["none"],
        dataset="synthped-plaza",
        size="smoke",
    )
    choice = choose(told)
    assert list(choice.datasets) == ["synthped-plaza"]
    assert list(choice.sources) == ["synthped-plaza", "synthped-campus"]
    manifests = dict.fromkeys(choice.sources, "a" * 64)
    datasets = {cell.dataset for cell in make_plan(told, choice, manifests).cells}
    assert datasets == {"synthped-plaza", "synthped-campus"}


def test_a_preparation_serves_all_data_sets_and_one_budget(config):
    told = config("tiny-universal", eps=[4, 8])
    plan = make_plan(told, choose(told), MANIFESTS)
    assert [c.title for c in plan.cells if c.kind == "prepare"] == [
        "prepare tiny-universal 4/255",
        "prepare tiny-universal 8/255",
    ]


def test_a_run_with_every_kind_is_recorded_and_not_computed_twice(config):
    told = config("tiny-transfer", "tiny-universal", "tiny-score")
    ((record, _),) = run_benchmark(told, SilentProgress()).records
    by_name = {attack.name: attack for attack in record.attacks}
    assert by_name["tiny-transfer"].knowledge == "transfer"
    assert by_name["tiny-transfer"].backwards > 0
    assert by_name["tiny-universal"].prepare_seconds > 0
    assert by_name["tiny-universal"].forwards == 0
    score = by_name["tiny-score"]
    queries = record.clean.queries
    assert (score.queries, score.forwards, score.backwards) == (4 * queries, 4 * queries, 0)
    assert [point.queries for point in score.curve] == [1, 2, 3, 4]
    assert score.curve[-1].map == pytest.approx(score.map)
    assert all(attack.map_jpeg is not None for attack in record.attacks)
    shown = preview(told)
    assert all(cell.finished for cell in shown.cells)
    ((again, _),) = run_benchmark(told, SilentProgress()).records
    assert again.id == record.id
    assert not list((told.output / "cells").glob(".*"))


def test_sides_are_recorded_and_change_the_protocol(config):
    ((plain, _),) = run_benchmark(config("metric-fgsm"), SilentProgress()).records
    told = config("metric-fgsm", scenario={"side": "gallery", "fraction": 0.5})
    ((gallery, _),) = run_benchmark(told, SilentProgress()).records
    assert (plain.attacks[0].side, gallery.attacks[0].side) == ("query", "gallery")
    assert plain.protocol.fingerprint != gallery.protocol.fingerprint
    told = config("metric-ifgsm", scenario={"intent": "impersonate"})
    ((target, _),) = run_benchmark(told, SilentProgress()).records
    assert target.attacks[0].target.attacked.map > target.attacks[0].target.clean.map


def test_an_attack_that_cannot_have_a_target_is_refused(config):
    told = config("tiny-attack", scenario={"intent": "impersonate"})
    with pytest.raises(UsageError, match="'tiny-attack' cannot be told to impersonate"):
        choose(told)
