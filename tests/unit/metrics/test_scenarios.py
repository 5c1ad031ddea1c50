"""Sides and intents: what is perturbed, what guides, what is measured."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from benchmark.core.errors import UsageError
from benchmark.core.threat import Scenario
from benchmark.data.jpeg import through_jpeg
from benchmark.evaluation.attack_inputs import attacked_images
from benchmark.evaluation.evaluator import Evaluator
from benchmark.metrics.ranking import rank_queries
from tests.tiny_scene import CPU, image_set, make_attack, tiny_encoder

ENCODER = tiny_encoder()


def sets():
    whole = image_set(identities=6, size=(16, 8))
    is_query = np.arange(len(whole)) % 4 < 1
    return whole.subset(is_query), whole.subset(~is_query)


def measure(name="metric-ifgsm", encoder=ENCODER, batch=64, seed=0, eps_255=8.0, **scenario):
    query, gallery = sets()
    ranked = Evaluator.of(encoder, query, gallery, policy=CPU, owner="tiny")
    evaluator, scenario = replace(ranked, batch=batch), Scenario(**scenario)
    return evaluator.clean, evaluator.attacked(make_attack(name, eps_255), seed, scenario=scenario)


@pytest.mark.parametrize("side", ["query", "gallery", "both"])
def test_every_side_can_be_attacked(side):
    query, gallery = sets()
    clean, attacked = measure(side=side)
    assert attacked.ranking.summary()["map"] < clean.ranking.summary()["map"]
    expected = {"query": len(query), "gallery": len(gallery)}
    expected["both"] = sum(expected.values())
    assert attacked.images == expected[side] == attacked_images(query, gallery, Scenario(side=side))


def test_a_fraction_of_the_gallery_is_a_fixed_subset():
    _, whole = measure(side="gallery")
    _, half = measure(side="gallery", fraction=0.5)
    _, again = measure(side="gallery", fraction=0.5, batch=5)
    assert half.images == whole.images // 2
    assert whole.ranking.summary()["map"] < half.ranking.summary()["map"]
    np.testing.assert_allclose(half.ranking.ap, again.ranking.ap)


def test_gallery_images_of_no_query_identity_stay_clean():
    query, gallery = sets()
    strangers = image_set(identities=2, size=(16, 8), first_pid=50)
    merged = type(gallery)(
        np.concatenate([gallery.images[gallery.rows], strangers.images]),
        np.concatenate([gallery.pids, np.array([0, -1] * 4)]),
        np.concatenate([gallery.camids, strangers.camids]),
        gallery.names + strangers.names,
        distractor=np.concatenate([gallery.distractor, np.array([True, False] * 4)]),
        junk=np.concatenate([gallery.junk, np.array([False, True] * 4)]),
    )
    assert attacked_images(query, merged, Scenario(side="gallery")) == len(gallery)


@pytest.mark.parametrize("name", ["metric-ifgsm", "metric-mifgsm"])
@pytest.mark.parametrize("rule", ["random", "nearest", "farthest"])
def test_impersonation_pulls_the_target_up_and_ranking_down_pushes_it_down(name, rule):
    _, up = measure(name, intent="impersonate", target=rule)
    _, down = measure(name, intent="rank-down", target=rule)
    assert up.target is not None
    assert down.target is not None
    assert np.array_equal(up.target.clean.ap, down.target.clean.ap)
    clean = up.target.clean.summary()["map"]
    assert up.target.attacked.summary()["map"] > clean > down.target.attacked.summary()["map"]


def test_targets_are_other_identities_and_the_rule_orders_them():
    maps = {}
    for rule in ("nearest", "random", "farthest"):
        _, attacked = measure(intent="impersonate", target=rule)
        maps[rule] = attacked.target.clean.summary()["map"]
    assert maps["nearest"] > maps["random"] > maps["farthest"]


def test_the_target_map_is_that_of_a_ranking_for_the_target():
    query, gallery = sets()
    clean, attacked = measure(intent="impersonate", target="farthest")
    similar = torch.nn.functional.normalize(clean.query_embeddings)
    expected = []
    for row, pid in enumerate(query.pids):
        centroids = {
            p: torch.nn.functional.normalize(
                clean.gallery_embeddings[torch.from_numpy(gallery.pids == p)]
            ).mean(0)
            for p in np.unique(gallery.pids)
            if p != pid
        }
        expected.append(
            min(
                centroids,
                key=lambda p: float(
                    similar[row] @ torch.nn.functional.normalize(centroids[p], dim=0)
                ),
            )
        )
    manual = rank_queries(
        clean.query_embeddings,
        np.array(expected),
        np.full(len(query), -1),
        clean.gallery_embeddings,
        gallery.pids,
        gallery.camids,
        gallery_junk=gallery.junk,
        gallery_distractor=gallery.distractor,
    )
    np.testing.assert_allclose(attacked.target.clean.ap, manual.ap)


def test_an_attack_that_ignores_its_target_is_refused():
    with pytest.raises(UsageError, match="'sma' does not look at its target"):
        measure("sma", intent="impersonate")


def test_impossible_scenarios_are_refused():
    with pytest.raises(ValidationError, match="needs side query"):
        Scenario(side="gallery", intent="impersonate")
    with pytest.raises(ValidationError, match="a fraction is of the gallery"):
        Scenario(fraction=0.5)


def test_jpeg_keeps_shape_and_changes_little_of_a_smooth_image():
    ramp = torch.linspace(0.2, 0.8, 32).expand(2, 3, 64, 32)
    after = through_jpeg(ramp)
    assert after.shape == ramp.shape
    assert 0 < float((after - ramp).abs().max()) < 0.05


class Noisy(torch.nn.Module):
    """An encoder that draws anew whenever it looks."""

    def __init__(self):
        super().__init__()
        self.plain = ENCODER

    def forward(self, images):
        return self.plain(images + 0.3 * torch.randn_like(images))


def test_a_random_encoder_is_measured_with_the_same_noise_under_every_attack():
    """Attacks that change nothing leave one outcome, not the best of as many draws."""

    def measured(name, seed):
        torch.manual_seed(0)  # one clean gallery
        return measure(name, Noisy(), seed=seed, eps_255=0.0)[1]

    first, other, later = (
        measured(name, seed) for name, seed in (("metric-ifgsm", 0), ("fna", 0), ("fna", 1))
    )
    np.testing.assert_array_equal(first.ranking.ap, other.ranking.ap)
    np.testing.assert_array_equal(first.ranking.ap, first.ranking_float.ap)
    assert not np.array_equal(other.ranking.ap, later.ranking.ap)
    state = torch.get_rng_state()
    measure("fna", eps_255=0.0)
    assert torch.equal(torch.get_rng_state(), state)  # no attack draws from the global generator
