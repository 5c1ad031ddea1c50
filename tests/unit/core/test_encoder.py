"""How encoders are asked: on copies, with what they raise as their own error."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from benchmark.checks.consistency import measure_consistency
from benchmark.checks.gradients import measure_gradients
from benchmark.core.adaptive import BackwardThrough, ExpectedEncoder
from benchmark.core.attack import Attack
from benchmark.core.encoder import embed
from benchmark.core.errors import EnvironmentProblem, PluginError
from benchmark.core.oracle import QueryCounter, ScoreOracle
from benchmark.core.plugin import PluginConfig
from benchmark.core.surrogate import SurrogateEnsemble
from tests.plugins.odd_encoders import Honest, InPlace, RaisesUnderAttack, ThroughNumpy
from tests.tiny_scene import image_set, make_attack, scene, tiny_encoder

VIEWS = {
    "itself": lambda encoder: encoder,
    "EOT": lambda encoder: ExpectedEncoder(encoder, 2),
    "BPDA": lambda encoder: BackwardThrough(encoder, encoder),
    "ensemble": lambda encoder: SurrogateEnsemble([encoder, encoder]),
}


def pixels():
    return image_set().tensor(slice(0, 4))


@pytest.mark.parametrize("encoder", [InPlace(), ThroughNumpy()], ids=lambda one: type(one).__name__)
def test_images_stay_as_they_are_whatever_an_encoder_writes(encoder):
    images = pixels()
    first, again = embed(encoder, images, "x"), embed(encoder, images, "x")
    assert torch.equal(images, pixels())
    assert torch.equal(first, again)


@pytest.mark.parametrize("view", VIEWS.values(), ids=list(VIEWS))
@pytest.mark.parametrize(("name", "options"), [("metric-ifgsm", {}), ("square", {"queries": 60})])
def test_attacks_on_an_encoder_that_writes_on_its_input_are_those_on_one_that_does_not(
    view, name, options
):
    images = image_set()
    made, batch = make_attack(name, **options), scene(Honest().eval(), images, [0, 5])
    honest, in_place = view(Honest().eval()), view(InPlace().eval())
    width = embed(honest, batch.images, "x").shape[1]
    if width != batch.clean.shape[1]:
        batch = scene(honest, images, [0, 5])
    expected, found = made.run(honest, batch), made.run(in_place, batch)
    assert torch.equal(expected.images, found.images)
    assert expected.forwards == found.forwards


def test_the_probe_measures_an_encoder_that_writes_on_its_input():
    goal = torch.randn(4, tiny_encoder().embedding_dim)
    honest, in_place = Honest().eval(), InPlace().eval()
    expected = measure_gradients(honest, pixels(), goal, "x")
    assert measure_gradients(in_place, pixels(), goal, "x") == expected
    assert measure_consistency(in_place, pixels(), "x").repeat_difference == 0


def test_an_oracle_answers_about_what_it_was_asked():
    images, rows = pixels(), torch.arange(4)
    oracle = ScoreOracle(InPlace().eval(), QueryCounter(4, 9, "a"), "x")
    assert torch.equal(oracle(images, rows), oracle(images, rows))
    assert torch.equal(images, pixels())


def test_what_an_encoder_raises_names_it_and_its_line():
    with pytest.raises(PluginError, match=r"^own: the encoder raised KeyError: .*odd_encoders.py"):
        embed(RaisesUnderAttack(), pixels().requires_grad_(), "own")


class Raises(nn.Module):
    def __init__(self, error):
        super().__init__()
        self.error = error

    def forward(self, images):
        raise self.error


@pytest.mark.parametrize("error", [KeyboardInterrupt(), EnvironmentProblem("full")])
def test_an_interruption_and_a_full_disk_are_not_the_encoder(error):
    with pytest.raises(type(error)):
        embed(Raises(error), pixels(), "x")


class WritesOnTheBatch(Attack):
    name = "writes"

    def perturb(self, encoder, batch):
        return batch.images.add_(0.5).clamp_(0, 1)


class RaisesItself(Attack):
    name = "raises"

    def perturb(self, encoder, batch):
        raise LookupError("lost")


def test_an_attack_that_writes_on_the_clean_images_is_judged_by_what_they_were():
    encoder = tiny_encoder()
    batch = scene(encoder, image_set(), [0, 1])
    clean = batch.images.clone()
    with pytest.raises(PluginError, match="left the ball"):
        WritesOnTheBatch(PluginConfig(), 8.0).run(encoder, replace(batch))
    assert torch.equal(batch.images, clean)


def test_what_an_attack_raises_is_its_own():
    encoder = tiny_encoder()
    with pytest.raises(PluginError, match=r"'raises' raised LookupError: lost \(test_encoder.py"):
        RaisesItself(PluginConfig(), 8.0).run(encoder, scene(encoder, image_set(), [0, 1]))
