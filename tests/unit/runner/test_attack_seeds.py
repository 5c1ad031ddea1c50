"""Several attack seeds: what is measured again, and what a record says of all of them."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from benchmark.core.errors import UsageError
from benchmark.core.progress import SilentProgress
from benchmark.runner.attack_seeds import mean_outcome
from benchmark.runner.choice import choose
from benchmark.runner.journal import Journal
from benchmark.runner.plan import make_plan
from benchmark.runner.run import run_benchmark
from results.records.store import load_per_query, load_record

MANIFESTS = {"tiny": "a" * 64, "tiny-other": "b" * 64}


def plan(config):
    return make_plan(config, choose(config), MANIFESTS)


def attacks(config):
    (trial,) = plan(config).trials
    return [(cell.attack.name, cell.attack_seed) for cell in trial.attacks["tiny"]]


def run(config):
    return run_benchmark(config, SilentProgress())


def test_what_is_random_is_measured_with_each_seed_and_the_rest_once(tiny_config):
    names = ["metric-fgsm", "fna", "sma", "metric-pgd", "lta", "random-noise", "uap"]
    both = ["sma", "metric-pgd", "lta", "random-noise", "uap"]
    found = attacks(tiny_config(attack=names, attack_seed=[1, 4]))
    assert [seed for name, seed in found if name in ("metric-fgsm", "fna")] == [1, 1]
    assert [(n, s) for n, s in found if n in both] == [(n, s) for n in both for s in (1, 4)]


@pytest.mark.parametrize(
    ("assignments", "seeds"),
    [
        ((), [0]),
        (("attack.fna.start=0.5",), [0, 1]),
        (("scenario.intent=impersonate",), [0, 1]),
        (("scenario.intent=impersonate", "scenario.target=nearest"), [0]),
        (("scenario.side=gallery", "scenario.fraction=0.5"), [0, 1]),
        (("scenario.side=gallery",), [0]),
    ],
)
def test_options_and_scenario_may_make_an_attack_random(tiny_config, assignments, seeds):
    found = attacks(tiny_config(*assignments, attack=["fna"], attack_seed=[0, 1]))
    assert found == [("fna", seed) for seed in seeds]


def test_every_attack_on_a_random_encoder_is_random(tiny_config, monkeypatch):
    config = tiny_config(attack=["fna"], attack_seed=[0, 1])
    plugin = type(choose(config).defenses["tiny-defense"])
    assert attacks(config) == [("fna", 0)]
    declared = dataclasses.replace(plugin.adaptive, random=True)
    monkeypatch.setattr(plugin, "adaptive", declared)
    assert attacks(config) == [("fna", 0), ("fna", 1)]


def test_the_cells_of_several_seeds_are_those_of_each_alone(tiny_config):
    options = {"attack": ["metric-fgsm", "sma", "uap"], "test_dataset": ["tiny-other"]}
    alone = [plan(tiny_config(attack_seed=seed, **options)) for seed in (0, 3)]
    both = plan(tiny_config(attack_seed=[0, 3], **options))
    first, second = ({cell.fingerprint for cell in one.cells} for one in alone)
    again = {cell.fingerprint for cell in alone[1].cells if cell.title.startswith("metric-fgsm")}
    assert {cell.fingerprint for cell in both.cells} == (first | second) - again
    assert len({both.protocol, *(one.protocol for one in alone)}) == 3
    assert plan(tiny_config(attack_seed=["3,0", "0"], **options)).protocol == both.protocol


def test_a_record_holds_the_mean_and_each_seed(tiny_config):
    eps = {"eps": [4, 8], "test_dataset": ["tiny-other"]}
    run(tiny_config(attack_seed=0, **eps))
    config = tiny_config(attack_seed=[0, 3], **eps)
    ((record, path),) = run(config).records
    assert load_record(path) == record
    reused = [e for e in Journal(config.output / "journal.jsonl").read() if e["event"] == "reused"]
    assert len(reused) == 1 + 2 * (1 + 2 * 3)
    outcomes = load_per_query(path.parent / record.per_query)
    assert set(outcomes.ap) == {
        "clean",
        *(
            f"{name}@{eps}#{seed}"
            for name in ("random-noise", "tiny-attack")
            for eps in (4, 8)
            for seed in (0, 3)
        ),
        *("metric-fgsm@4", "metric-fgsm@8"),
    }
    by_name = {attack.key: attack for attack in record.attacks}
    assert len(by_name) == 6
    assert by_name["metric-fgsm@8"].by_attack_seed == []
    tiny = by_name["tiny-attack@8"]
    maps = [100 * outcomes.ap[f"tiny-attack@8#{seed}"].mean() for seed in (0, 3)]
    assert maps[0] != maps[1]
    assert [one.attack_seed for one in tiny.by_attack_seed] == [0, 3]
    assert [one.map for one in tiny.by_attack_seed] == pytest.approx(maps)
    assert tiny.map == pytest.approx(np.mean(maps))
    first = [100 * (outcomes.rank[f"tiny-attack@8#{seed}"] == 1).mean() for seed in (0, 3)]
    assert tiny.rank1 == pytest.approx(np.mean(first))
    right = outcomes.rank["clean"] == 1
    lost = [100 * (outcomes.rank[f"tiny-attack@8#{seed}"][right] != 1).mean() for seed in (0, 3)]
    assert tiny.success_rate == pytest.approx(np.mean(lost))
    lowest = [
        np.minimum(outcomes.ap["metric-fgsm@8"], outcomes.ap[f"tiny-attack@8#{seed}"])
        for seed in (0, 3)
    ]
    worst = record.worst_case
    assert worst.attacks == ["metric-fgsm@8", "tiny-attack@8"]
    assert [o.map for o in worst.by_attack_seed] == pytest.approx([100 * w.mean() for w in lowest])
    assert worst.map == pytest.approx(100 * np.mean(lowest))
    assert record.worst_by_eps[1].map == pytest.approx(worst.map)
    assert len(record.cross_dataset[0].worst_case.by_attack_seed) == 2


def test_a_record_of_one_seed_says_nothing_of_seeds(tiny_config):
    ((_, path),) = run(tiny_config(attack_seed=[2])).records
    assert "by_attack_seed" not in path.read_text()
    assert set(load_per_query(path.with_suffix(".per_query.npz")).ap) == {
        *("clean", "random-noise@8", "metric-fgsm@8", "tiny-attack@8"),
    }
    assert json.loads(path.read_text())["attacks"][2]["name"] == "tiny-attack"


def test_figures_of_repeats_are_averaged():
    first = {
        "map": 10.0,
        "forwards": 10,
        "max_distance_255": 8.0,
        "trace": [1.0, 2.0],
        "curve": [{"queries": 5, "map": 50.0}, {"queries": 9, "map": 40.0}],
        "target": {"clean": {"map": 1.0, "queries": 7}},
    }
    second = {
        "map": 20.0,
        "forwards": 13,
        "max_distance_255": 7.5,
        "trace": [3.0, 5.0, 9.0],
        "curve": [{"queries": 5, "map": 30.0}],
        "target": {"clean": {"map": 2.0, "queries": 7}},
    }
    assert mean_outcome([first, second]) == {
        "map": 15.0,
        "forwards": 12,
        "max_distance_255": 8.0,
        "trace": [2.0, 3.5],
        "curve": [{"queries": 5, "map": 40.0}],
        "target": {"clean": {"map": 1.5, "queries": 7}},
    }
    assert mean_outcome([second]) is second
    nothing = mean_outcome([{"target": None, "trace": []}, {"target": None, "trace": []}])
    assert nothing == {"target": None, "trace": []}


@pytest.mark.parametrize("seeds", [[], ["-1"], ["x"]])
def test_attack_seeds_are_checked(tiny_config, seeds):
    with pytest.raises(UsageError, match="attack_seed"):
        tiny_config(attack_seed=seeds)
