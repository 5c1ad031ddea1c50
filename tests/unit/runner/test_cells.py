"""Fingerprints: they change with what shapes a result, and with nothing else."""

from __future__ import annotations

import dataclasses

import pytest

from benchmark.runner.choice import choose
from benchmark.runner.plan import make_plan

MANIFESTS = {"tiny": "a" * 64, "tiny-other": "b" * 64}


def plan(config, manifests=MANIFESTS):
    return make_plan(config, choose(config), manifests)


def prints(config, manifests=MANIFESTS):
    return [cell.fingerprint for cell in plan(config, manifests).cells]


@pytest.mark.parametrize(
    ("assignments", "changed"),
    [
        (("evaluation.batch=3",), (False, False, False)),
        (("strict=true", "fresh=true", "output=elsewhere"), (False, False, False)),
        (("training.epochs=5",), (True, True, True)),
        (("training.inner.steps=5",), (True, True, True)),
        (("backbone.width=12",), (True, True, True)),
        (("image_size=[32, 16]",), (True, True, True)),
        (("defense.weight=2.0",), (True, True, True)),
        (("seed=1",), (True, True, True)),
        (("attack_seed=1",), (False, False, True)),
        (("eps=4",), (False, False, True)),
    ],
)
def test_what_changes_a_fingerprint(tiny_config, assignments, changed):
    before = prints(tiny_config(attack=["metric-fgsm"]))
    after = prints(tiny_config(*assignments, attack=["metric-fgsm"]))
    assert tuple(a != b for a, b in zip(before, after, strict=True)) == changed


def test_data_changes_what_reads_it(tiny_config):
    config = tiny_config(attack=["metric-fgsm"], test_dataset=["tiny-other"])
    before = prints(config)
    after = prints(config, {**MANIFESTS, "tiny-other": "c" * 64})
    assert [a != b for a, b in zip(before, after, strict=True)] == [False] * 3 + [True] * 2


def test_a_cell_comes_after_what_it_needs(tiny_config):
    config = tiny_config(
        defense=["tiny-follower", "tiny-defense"], seed=[0, 1], test_dataset=["tiny-other"]
    )
    seen: set[str] = set()
    for cell in plan(config).cells:
        assert seen.issuperset(cell.needs)
        assert cell.fingerprint not in seen
        seen.add(cell.fingerprint)
    assert len(seen) == 2 * 2 * (1 + 2 * (1 + 3))


def test_options_of_a_prerequisite_are_the_default_ones(tiny_config):
    tuned = tiny_config(
        "defense.tiny-defense.weight=2.0", defense=["tiny-follower", "tiny-defense"]
    )
    trainings = [cell.defense for cell in plan(tuned).cells if cell.kind == "train"]
    assert trainings == ["tiny-defense", "tiny-follower", "tiny-defense"]


def test_the_protocol_is_of_the_evaluation_alone(tiny_config):
    before = plan(tiny_config()).protocol
    assert plan(tiny_config("training.epochs=9", seed=[3])).protocol == before
    assert plan(tiny_config(eps=[4])).protocol != before
    assert plan(tiny_config(attack=["metric-fgsm"])).protocol != before


@pytest.mark.parametrize("assignment", ["evaluation.eot_samples=3", "evaluation.batch=3"])
def test_draws_and_batches_count_where_the_encoder_is_random(tiny_config, monkeypatch, assignment):
    options = {"attack": ["fna", "uap", "square"]}
    before, after = tiny_config(**options), tiny_config(assignment, **options)
    assert prints(before) == prints(after)
    plugin = type(choose(before).defenses["tiny-defense"])
    monkeypatch.setattr(plugin, "adaptive", dataclasses.replace(plugin.adaptive, random=True))
    pairs = list(zip(plan(before).cells, plan(after).cells, strict=True))
    same = {a.kind for a, b in pairs if a.fingerprint == b.fingerprint}
    changed = {a.kind for a, b in pairs if a.fingerprint != b.fingerprint}
    clean = {"clean"} if assignment.startswith("evaluation.eot") else set()
    assert same - {"canary"} == {"train"} | clean | ({"prepare"} if not clean else set())
    assert changed == {"attack", "clean", "prepare"} - same


def test_a_probe_says_a_batch_that_cuts_the_queries_of_a_random_encoder(tiny_config, monkeypatch):
    def probe(*assignments):
        told = tiny_config("evaluation.checks=true", *assignments, attack=["random-noise"])
        (found,) = [cell for cell in plan(told).cells if cell.kind == "probe"]
        return found.content

    assert probe("evaluation.batch=16") == probe()
    plugin = type(choose(tiny_config()).defenses["tiny-defense"])
    monkeypatch.setattr(plugin, "adaptive", dataclasses.replace(plugin.adaptive, random=True))
    assert "batch" not in probe()
    assert "batch" not in probe("evaluation.batch=40")
    assert probe("evaluation.batch=16")["batch"] == 16


def test_fewer_draws_are_another_protocol(tiny_config):
    before = plan(tiny_config()).protocol
    assert plan(tiny_config("evaluation.eot_samples=20")).protocol == before
    assert plan(tiny_config("evaluation.eot_samples=8")).protocol != before


@pytest.mark.parametrize(
    "assignment", ["evaluation.rerank=true", "evaluation.rerank={k1: 8, original_weight: 0.5}"]
)
def test_re_ranking_is_another_protocol_of_the_same_trainings(tiny_config, assignment):
    before, after = plan(tiny_config()), plan(tiny_config(assignment))
    assert after.protocol != before.protocol
    pairs = list(zip(before.cells, after.cells, strict=True))
    changed = {a.kind for a, b in pairs if a.fingerprint != b.fingerprint}
    assert {"clean", "attack"} <= changed
    assert "train" not in changed
    off = plan(tiny_config("evaluation.rerank=false"))
    assert (off.protocol, prints(tiny_config("evaluation.rerank=false"))) == (
        before.protocol,
        prints(tiny_config()),
    )


def test_other_surrogates_are_another_protocol(tiny_config):
    """Rows of one board face the same transfer attackers, whatever they were trained by."""

    def protocol(*assignments, attack):
        return plan(tiny_config(*assignments, attack=attack)).protocol

    recipe = "training.epochs=9"
    assert protocol(attack=["fna"]) == protocol(recipe, attack=["fna"])
    assert protocol(attack=["fna", "di"]) != protocol(recipe, attack=["fna", "di"])
    assert protocol(attack=["di", "fna"]) == protocol(attack=["fna", "di"])
    other = "training.inner.steps=2"
    members = {"attack": ["ensemble-transfer"], "test_dataset": ["tiny-other"]}
    assert plan(tiny_config(**members)).protocol != plan(tiny_config(other, **members)).protocol


def test_rows_of_other_recipes_may_face_the_same_surrogates(tiny_config):
    def planned(*assignments):
        options = {"attack": ["di"], "surrogate_training": {"epochs": 2}}
        return plan(tiny_config(*assignments, **options))

    before, after = planned(), planned("training.epochs=9")
    assert before.protocol == after.protocol
    surrogates = [
        {cell.fingerprint for cell in one.cells if cell.kind == "train" and cell.seed >= 1_000_000}
        for one in (before, after)
    ]
    assert surrogates[0] == surrogates[1]
    assert {t.train.fingerprint for t in before.trials} != {
        t.train.fingerprint for t in after.trials
    }
