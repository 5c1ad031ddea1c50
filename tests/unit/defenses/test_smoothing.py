from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from benchmark.core.adaptive import ExpectedEncoder, adaptive_view
from benchmark.core.errors import UsageError
from defenses.smoothing import Smoothed, Smoothing
from tests.tiny_scene import fit, make_defense, same_weights, tiny_encoder

few = settings(max_examples=10)


class Wave(nn.Module):
    """f(x) = 3 (cos w'x, sin w'x): smoothed, its unit form is exp(-sigma^2 |w|^2 / 2) as long."""

    def __init__(self, direction: Tensor) -> None:
        super().__init__()
        self.direction = direction

    def forward(self, images: Tensor) -> Tensor:
        angle = images.flatten(1) @ self.direction
        return 3 * torch.stack([angle.cos(), angle.sin()], dim=1)


@few
@given(st.integers(0, 2**32), st.floats(0.02, 0.4))
def test_it_is_the_expectation_that_is_known_of_a_wave(seed: int, sigma: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    direction = torch.randn(3 * 4 * 2, generator=generator)
    images = torch.rand(3, 3, 4, 2, generator=generator)
    torch.manual_seed(seed)
    found = Smoothed(Wave(direction), sigma, 20_000)(images)
    shorter = math.exp(-(sigma**2) * float(direction.square().sum()) / 2)
    expected = shorter * Wave(direction)(images) / 3
    torch.testing.assert_close(found, expected, atol=0.035, rtol=0)


def test_it_draws_at_each_call_and_obeys_the_global_seed() -> None:
    encoder = make_defense("smoothing").build_encoder(tiny_encoder).eval()
    images = torch.rand(2, 3, 16, 8)
    torch.manual_seed(5)
    first, second = encoder(images), encoder(images)
    torch.manual_seed(5)
    assert torch.equal(first, encoder(images))
    assert not torch.equal(first, second)
    assert float(first.detach().norm(dim=1).max()) <= 1 + 1e-6


def test_more_draws_say_the_same_with_less_noise() -> None:
    images = torch.rand(4, 3, 16, 8)
    spread = {}
    for samples in (1, 16):
        smoothed = Smoothed(tiny_encoder(), 0.1, samples)
        draws = torch.stack([smoothed(images) for _ in range(40)])
        spread[samples] = float(draws.detach().var(0).sum(1).mean())
    assert spread[1] / 28 < spread[16] < spread[1] / 9  # 16 times less


def test_gradients_reach_the_images_through_the_mean() -> None:
    direction = torch.randn(24, generator=torch.Generator().manual_seed(1))
    sigma = 0.1
    images = torch.rand(1, 3, 4, 2, requires_grad=True)
    torch.manual_seed(0)
    value = Smoothed(Wave(direction), sigma, 50_000)(images)[0, 0]
    (found,) = torch.autograd.grad(value, images)
    shorter = math.exp(-(sigma**2) * float(direction.square().sum()) / 2)
    slope = -shorter * torch.sin(images.detach().flatten() @ direction)
    torch.testing.assert_close(found.flatten(), slope * direction, atol=0.05, rtol=0)


def test_attacks_average_over_draws() -> None:
    defense = make_defense("smoothing")
    encoder = defense.build_encoder(tiny_encoder)
    assert defense.adaptive.random
    view = adaptive_view(encoder, defense, 6)
    assert isinstance(view, ExpectedEncoder)
    assert view.encoder is encoder


def test_its_own_encoder_is_trained_on_noisy_images(tmp_path: Path) -> None:
    defense = make_defense("smoothing")
    assert isinstance(defense, Smoothing)
    assert (defense.prerequisites(), defense.epochs(9, 1)) == ((), 9)
    plain = fit(make_defense("none"), tmp_path / "plain").encoder
    noiseless = fit(make_defense("smoothing", sigma=1e-30), tmp_path / "noiseless").encoder
    assert isinstance(noiseless, Smoothed)
    assert same_weights(noiseless.encoder, plain)


def test_or_the_encoder_of_the_base_is_smoothed(tmp_path: Path) -> None:
    defense = make_defense("smoothing", noise_training=False, base="metric-at")
    assert defense.prerequisites() == ("metric-at",)
    assert defense.epochs(9, 1) == 0
    assert defense.trained_against == ("metric-pgd",)
    base = tiny_encoder(4)
    trained = fit(defense, tmp_path, encoders={"metric-at": base})
    assert trained.epochs == 0
    assert isinstance(trained.encoder, Smoothed)
    assert trained.encoder.encoder is base
    with pytest.raises(UsageError, match="base=metric-at is not used with noise_training"):
        make_defense("smoothing", base="metric-at")
