"""Heads on a frozen encoder: what they learn, what an attack on them does, what is left alone."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from benchmark.core.image_set import ImageSet, concatenate
from benchmark.core.progress import SilentProgress
from benchmark.experiments.classifier_probe.identity_head import (
    LOSSES,
    Ascent,
    HeadTrainer,
    split_by_identity,
)
from benchmark.models.classifier import IdentityClassifier
from tests.tiny_scene import CPU, image_set, tiny_encoder

ASCENT = Ascent(eps_255=4, alpha_255=2, steps=3)


@pytest.fixture(scope="module")
def halves():
    return split_by_identity(image_set(identities=6, per_camera=4, size=(16, 8)), 0)


def trainer(halves, encoder=None, seed=0):
    encoder = encoder or tiny_encoder()
    return HeadTrainer(encoder, encoder, halves[0], policy=CPU, seed=seed)


def scaled_encoder(halves):
    """Return an encoder whose embeddings have the scale that a trained BNNeck gives them."""
    with torch.no_grad():
        raw = tiny_encoder()(halves[0].tensor(slice(None)))
    encoder = nn.Sequential(tiny_encoder(), nn.BatchNorm1d(raw.shape[1], affine=False)).eval()
    encoder[1].running_mean, encoder[1].running_var = raw.mean(0), raw.var(0)
    return encoder


def fitted(one, ascent=None, epochs=40):
    with SilentProgress().task("", epochs) as bar:
        return one.fit(epochs, 0.05, ascent, bar)


def test_halves_hold_each_image_once_and_both_hold_every_identity():
    images = image_set(identities=5, cameras=2, per_camera=2, size=(16, 8))
    lonely = images.subset(np.flatnonzero((images.pids != 1) | (np.arange(len(images)) == 0)))
    first, second = split_by_identity(lonely, 3)
    assert set(first.pids) == set(second.pids) == {2, 3, 4, 5}
    assert sorted(first.names + second.names) == sorted(lonely.subset(lonely.pids != 1).names)
    assert split_by_identity(lonely, 3)[0].names == first.names
    assert split_by_identity(lonely, 4)[0].names != first.names


def test_a_head_learns_what_can_be_told_and_no_more(halves):
    """Each image stands under two identities: the lowest cross-entropy is that of a coin, ln 2."""
    once, encoder = halves[0], scaled_encoder(halves)
    other = ImageSet(once.images, once.pids + 10, once.camids, once.names, once.rows)
    images = concatenate(once, other)
    head = fitted(HeadTrainer(encoder, encoder, images, policy=CPU, seed=0), epochs=60)
    with torch.no_grad():
        logits = head(encoder(images.tensor(slice(None))))
    labels = torch.from_numpy(np.searchsorted(images.identities, images.pids))
    loss = float(F.cross_entropy(logits, labels))
    assert math.log(2) <= loss < math.log(2) + 0.3
    assert loss < 0.4 * math.log(len(images.identities))


def test_hits_are_those_of_the_nearest_logit(halves):
    encoder, test = tiny_encoder(), halves[1]
    one = trainer(halves, encoder)
    head = fitted(one)
    with torch.no_grad():
        logits = head(encoder(test.tensor(slice(None))))
    expected = halves[0].identities[logits.argmax(1).numpy()] == test.pids
    np.testing.assert_array_equal(one.hits(head, test, None), expected)
    assert expected.mean() > 1 / 6


def test_an_attack_costs_accuracy_and_a_head_trained_against_it_keeps_more(halves):
    one, (train, test) = trainer(halves, scaled_encoder(halves)), halves
    plain, robust = fitted(one), fitted(one, ASCENT)
    assert one.hits(plain, test, ASCENT).mean() < one.hits(plain, test, None).mean()
    assert one.hits(robust, train, ASCENT).mean() > one.hits(plain, train, ASCENT).mean()
    nothing = Ascent(eps_255=0, alpha_255=1, steps=2)
    np.testing.assert_array_equal(one.hits(plain, test, nothing), one.hits(plain, test, None))


@pytest.mark.parametrize("factor", [0.03, 30.0])
def test_the_scale_of_a_head_hides_it_from_cross_entropy_alone(halves, factor):
    """The same decisions: what a scale-free attack finds, it finds on the scaled head, too."""
    one, test = trainer(halves, scaled_encoder(halves)), halves[1]
    head = fitted(one)
    scaled = copy.deepcopy(head)
    scaled.weight.data *= factor

    def right(head, loss):
        return one.hits(head, test, ASCENT, loss)

    np.testing.assert_array_equal(one.hits(head, test, None), one.hits(scaled, test, None))
    for loss in ("rescaled", "margin"):
        agree = right(head, loss) == right(scaled, loss)
        assert agree.mean() > 0.95
    strongest = np.logical_and.reduce([right(scaled, loss) for loss in LOSSES])
    assert strongest.sum() <= right(head, "cross-entropy").sum()


def test_the_encoder_stays_as_it_is_and_the_same_seed_gives_the_same_head(halves):
    encoder = tiny_encoder()
    before = copy.deepcopy(encoder.state_dict())
    first = fitted(trainer(halves, encoder), ASCENT, epochs=3)
    second = fitted(trainer(halves, encoder), ASCENT, epochs=3)
    other = fitted(trainer(halves, encoder, seed=1), ASCENT, epochs=3)
    assert all(torch.equal(before[key], value) for key, value in encoder.state_dict().items())
    assert torch.equal(first.weight, second.weight)
    assert not torch.equal(first.weight, other.weight)


def test_the_attack_goes_through_the_view(halves):
    """Through a view without a gradient nothing moves but the random start."""

    class Blind(nn.Module):
        def forward(self, images):
            return encoder(images).detach() + 0 * images.sum()

    encoder = tiny_encoder()
    seeing = trainer(halves, encoder)
    blind = HeadTrainer(encoder, Blind(), halves[0], policy=CPU, seed=0)
    head = fitted(seeing)
    attack = Ascent(eps_255=16, alpha_255=4, steps=8)
    assert blind.hits(head, halves[1], attack).sum() > seeing.hits(head, halves[1], attack).sum()


def test_the_probe_reports_what_is_in_the_head(run_tiny):
    own = {"epochs": 2, "steps": 2, "learning_rate": 0.05}
    options = {"defense": ["tiny-defense", "none"], "attack": ["tiny-attack"]}
    done = run_tiny("classifier-probe", own, seed=[0, 1], **options)
    rows = {row["label"]: row for row in done.document["result"]["rows"]}
    assert list(rows) == ["tiny-defense", "none"]
    for row in rows.values():
        for seed in ("0", "1"):
            one = {name: over["by_seed"][seed] for name, over in row["accuracy"].items()}
            assert one["in_head"] == pytest.approx(one["robust_strongest"] - one["clean_strongest"])
            assert 0 <= one["clean_strongest"] <= one["clean_pgd"] <= 100
        assert set(row["retrieval_map"]) == {"clean", "tiny-attack@8", "worst"}
    assert run_tiny("classifier-probe", own, seed=[0, 1], **options).document == done.document


def test_a_kept_classifier_is_probed_and_fine_tuned(run_tiny):
    own = {"epochs": 2, "steps": 2, "learning_rate": 0.05}
    done = run_tiny("classifier-probe", own, defense=["tiny-defense"], attack=["tiny-attack"])
    (row,) = done.document["result"]["rows"]
    one = {name: over["by_seed"]["0"] for name, over in row["accuracy"].items()}
    assert one["in_joint_head_pgd"] == pytest.approx(one["joint_pgd"] - one["tuned_pgd"])
    assert one["in_joint_head"] == pytest.approx(one["joint_strongest"] - one["tuned_strongest"])
    assert 0 <= one["joint_strongest"] <= one["joint_pgd"] <= one["joint_clean"] <= 100


def test_the_probe_tests_on_as_many_images_as_it_is_told(run_tiny):
    """A hit is a multiple of one over the images: with a single one it is all or nothing."""
    own = {"epochs": 1, "steps": 1, "learning_rate": 0.05, "test_images": 1}
    done = run_tiny("classifier-probe", own, defense=["tiny-defense"], attack=["tiny-attack"])
    (row,) = done.document["result"]["rows"]
    hits = {name: over["by_seed"]["0"] for name, over in row["accuracy"].items()}
    assert {hits["clean_clean"], hits["joint_clean"]} <= {0.0, 100.0}


def test_a_head_goes_on_from_a_kept_classifier_and_leaves_it_alone(halves):
    one = trainer(halves, scaled_encoder(halves))
    learned = fitted(one)
    kept = IdentityClassifier(learned.weight.detach().clone(), torch.from_numpy(one.identities))
    head = one.head_of(kept)
    np.testing.assert_array_equal(
        one.hits(head, halves[1], None), one.hits(learned, halves[1], None)
    )
    with SilentProgress().task("", 1) as bar:
        tuned = one.fit(1, 0.05, None, bar, head)
    assert torch.equal(head.weight, learned.weight)
    assert not torch.equal(tuned.weight, head.weight)


def test_a_classifier_of_other_identities_is_no_head(halves):
    one = trainer(halves)
    others = IdentityClassifier(torch.zeros(6, 32), torch.from_numpy(one.identities + 1))
    assert one.head_of(others) is None
    assert one.head_of(None) is None
