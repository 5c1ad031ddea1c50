from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from benchmark.core.adaptive import adaptive_view
from benchmark.core.errors import UsageError
from benchmark.models.checkpoint import restore_encoder, save_encoder
from benchmark.models.encoder import build_encoder
from defenses.wrapped import Preprocessed, StraightThrough, WrappedDefense
from tests.tiny_scene import (
    BACKBONE,
    fit,
    image_set,
    make_attack,
    make_defense,
    same_weights,
    scene,
    tiny_encoder,
)

WRAPPING = ("jpeg", "bit-depth", "circuitous-scaling")


def wrapping(name: str, **options: object) -> WrappedDefense:
    defense = make_defense(name, **options)
    assert isinstance(defense, WrappedDefense)
    return defense


def displacement(encoder: nn.Module, view: nn.Module, steps: int = 8) -> float:
    """Return how far SMA, looking through `view`, moves what `encoder` makes of 8-bit images."""
    batch = scene(encoder, image_set(identities=2))
    attack = make_attack("sma", steps=steps, alpha_255=2.0)
    crafted = attack.run(view, batch).images.mul(255).round() / 255
    with torch.no_grad():
        before, after = (nn.functional.normalize(encoder(x)) for x in (batch.images, crafted))
    return float((before - after).square().sum(1).mean())


@pytest.mark.parametrize("name", WRAPPING)
def test_nothing_is_trained_around_the_encoder_of_the_base(name: str, tmp_path: Path) -> None:
    plain = tiny_encoder(7)
    defense = wrapping(name)
    trained = fit(defense, tmp_path, encoders={"none": plain})
    assert defense.prerequisites() == ("none",)
    assert (trained.epochs, trained.images, trained.history) == (0, 0, [])
    assert defense.epochs(12, 4) == 0
    assert same_weights(trained.encoder.encoder, plain)  # type: ignore[arg-type]
    images = torch.rand(3, 3, 16, 8)
    seen = trained.encoder.preprocess(images)  # type: ignore[operator]
    assert torch.equal(trained.encoder(images), plain(seen))
    assert not torch.equal(seen, images)


def test_the_base_is_any_defense_in_its_own_shape(tmp_path: Path) -> None:
    defense = wrapping("bit-depth", base="broken-saturated")
    base = make_defense("broken-saturated")
    inner = base.build_encoder(lambda: tiny_encoder(3))
    assert defense.prerequisites() == ("broken-saturated",)
    encoder = fit(defense, tmp_path, encoders={"broken-saturated": inner.eval()}).encoder
    save_encoder(tmp_path, encoder, {})
    again = restore_encoder(
        tmp_path, lambda: defense.build_encoder(lambda: build_encoder(BACKBONE))
    )
    assert same_weights(encoder, again)
    images = torch.rand(2, 3, 16, 8)
    assert torch.equal(encoder(images), again(images))
    surrogate = defense.surrogate(encoder)
    assert surrogate is not None
    rounded = (images * 31).round() / 31
    torch.testing.assert_close(surrogate(images), tiny_encoder(3)(rounded))


def test_it_declares_what_the_base_does() -> None:
    plain = wrapping("circuitous-scaling")
    assert plain.adaptive == type(plain.adaptive)()
    around = wrapping("circuitous-scaling", base="broken-random").adaptive
    assert (around.random, around.non_differentiable) == (True, False)
    around = wrapping("jpeg", base="broken-random").adaptive
    assert (around.random, around.non_differentiable) == (True, True)
    assert wrapping("jpeg").trained_against == ()
    assert wrapping("jpeg", base="metric-at").trained_against == ("metric-pgd",)
    assert wrapping("jpeg", base="dynamic-budget-at").also_seen == ("metric-pgd",)


def test_a_base_that_cannot_be_is_told() -> None:
    with pytest.raises(UsageError, match="no-such"):
        wrapping("jpeg", base="no-such")
    with pytest.raises(UsageError, match="cannot be its own base"):
        wrapping("jpeg", base="jpeg")


def test_straight_through_has_the_values_of_one_and_the_gradient_of_the_other() -> None:
    class Halving(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return images / 2

    images = torch.rand(2, 3, 4, 4, requires_grad=True)
    weights = torch.rand(2, 3, 4, 4)
    seen = StraightThrough(Halving())(images)
    torch.testing.assert_close(seen, images / 2)
    (gradient,) = torch.autograd.grad((weights * seen).sum(), images)
    assert torch.equal(gradient, weights)


def test_attacks_through_jpeg_beat_those_that_pretend_it_is_not_there() -> None:
    defense, plain = wrapping("jpeg"), tiny_encoder()
    encoder = defense.wrap(plain).eval()
    adaptive = displacement(encoder, adaptive_view(encoder, defense, 1))
    assert adaptive > 1.3 * displacement(encoder, plain)


def test_attacks_through_rounding_beat_those_on_its_own_gradient() -> None:
    defense = wrapping("bit-depth", bits=4)
    encoder = defense.wrap(tiny_encoder()).eval()
    adaptive = displacement(encoder, adaptive_view(encoder, defense, 1))
    assert adaptive > 2 * displacement(encoder, encoder)


def test_attacks_through_the_resizing_beat_those_on_the_plain_encoder() -> None:
    defense, plain = wrapping("circuitous-scaling"), tiny_encoder()
    encoder = defense.wrap(plain).eval()
    assert adaptive_view(encoder, defense, 1) is encoder
    assert displacement(encoder, encoder) > 1.2 * displacement(encoder, plain)


def test_the_stand_in_looks_at_the_preprocessed_image() -> None:
    defense = wrapping("bit-depth", bits=2)
    encoder = defense.wrap(tiny_encoder()).eval()
    surrogate = defense.surrogate(encoder)
    assert isinstance(surrogate, Preprocessed)
    images = torch.rand(4, 3, 16, 8, requires_grad=True)
    torch.testing.assert_close(surrogate(images), encoder(images))
    (through,) = torch.autograd.grad(surrogate(images).square().sum(), images)
    leaf = ((images.detach() * 3).round() / 3).requires_grad_(True)
    (there,) = torch.autograd.grad(tiny_encoder()(leaf).square().sum(), leaf)
    torch.testing.assert_close(through, there)
