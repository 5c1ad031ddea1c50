from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from benchmark.experiments.certificate.certified_radius import (
    certified_radius,
    certified_rank1,
    lower_bounds,
    noisy_embeddings,
    radius_of,
)

few = settings(max_examples=12)
NORMAL = NormalDist()


class Wave(nn.Module):
    """f(x) = (cos w'x, sin w'x); smoothed, it is exp(-sigma^2 |w|^2 / 2) as long."""

    def __init__(self, direction: Tensor) -> None:
        super().__init__()
        self.direction = direction.double()

    def forward(self, images: Tensor) -> Tensor:
        angle = images.double().flatten(1) @ self.direction
        return torch.stack([angle.cos(), angle.sin()], dim=1)

    def smoothed(self, images: Tensor, sigma: float) -> Tensor:
        return math.exp(-(sigma**2) * float(self.direction.square().sum()) / 2) * self(images)


class Side(nn.Module):
    """Two opposite unit vectors on the two sides of a plane: the worst case of the bound."""

    def __init__(self, normal: Tensor) -> None:
        super().__init__()
        self.normal = normal

    def forward(self, images: Tensor) -> Tensor:
        side = (images.flatten(1) @ self.normal).sign()
        return torch.stack([side, torch.zeros_like(side)], dim=1)


def unit(vectors: Tensor) -> Tensor:
    return nn.functional.normalize(vectors.double())


def certificate(
    encoder: nn.Module, image: Tensor, gallery: tuple[Tensor, Tensor], sigma: float, draws: int
) -> float:
    first = noisy_embeddings(encoder, image, sigma, 100, seed=1)
    second = noisy_embeddings(encoder, image, sigma, draws, seed=2)
    return certified_radius(first, second, *gallery, sigma=sigma, alpha=0.001)


@pytest.mark.parametrize("distance", [0.05, 0.1, 0.2])
def test_between_two_half_spaces_the_radius_is_the_distance_to_the_plane(distance: float) -> None:
    sigma = 0.25
    normal = torch.randn(24, generator=torch.Generator().manual_seed(0)).double()
    normal = normal / normal.norm()
    image = (distance * normal).reshape(3, 4, 2)
    gallery = unit(torch.tensor([[1.0, 0.0]])), unit(torch.tensor([[-1.0, 0.0]]))
    exact = 2 * NORMAL.cdf(distance / sigma) - 1
    assert float(radius_of(torch.tensor(exact), sigma)) == pytest.approx(distance, rel=1e-5)
    found = certificate(Side(normal), image, gallery, sigma, 20_000)
    assert 0.85 * distance < found < distance


@few
@given(st.integers(0, 2**32), st.floats(0.05, 0.3))
def test_no_shift_within_the_radius_loses_rank_1(seed: int, sigma: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    wave = Wave(torch.randn(24, generator=generator) / 4)
    image = torch.rand(3, 4, 2, generator=generator)
    angles = torch.rand(7, generator=generator) * 6
    near = wave(image[None]) + 0.3 * torch.randn(2, 2, generator=generator)
    gallery = unit(near), unit(torch.stack([angles.cos(), angles.sin()], dim=1))
    radius = certificate(wave, image, gallery, sigma, 2000)
    if radius == 0:
        return
    along = wave.direction / wave.direction.norm()  # no other shift changes a wave
    shifts = torch.linspace(-radius, radius, 41).double()[:, None] * along
    moved = wave.smoothed((image.flatten().double() + shifts).reshape(-1, 3, 4, 2), sigma)
    best = [(moved @ side.T).amax(1) for side in gallery]
    assert bool((best[0] > best[1]).all())


def test_the_wave_test_is_about_something() -> None:
    wave = Wave(torch.full((24,), 0.3))
    image = torch.rand(3, 4, 2, generator=torch.Generator().manual_seed(0))
    gallery = unit(wave(image[None])), unit(-wave(image[None]))
    radius = certificate(wave, image, gallery, 0.2, 2000)
    boundary = math.pi / 2 / float(wave.direction.norm())
    assert 0.05 < radius < boundary


def test_descent_on_a_network_finds_no_counterexample() -> None:
    torch.manual_seed(0)
    sigma = 0.3
    network = nn.Sequential(nn.Flatten(), nn.Linear(24, 32), nn.Tanh(), nn.Linear(32, 4))
    image = torch.rand(3, 4, 2)
    with torch.no_grad():
        network[3].bias.normal_(0, 0.5)
        gallery = unit(network(image[None])), unit(torch.randn(5, 4))
    radius = certificate(network, image, gallery, sigma, 4000)
    assert radius > 0.02
    noise = sigma * torch.randn(2000, 3, 4, 2)
    shift = torch.zeros_like(image)
    for _ in range(30):
        shift.requires_grad_(True)
        smoothed = unit(network(image + shift + noise)).mean(0)
        margin = (gallery[0] @ smoothed).amax() - (gallery[1] @ smoothed).amax()
        assert float(margin.detach()) > 0
        (gradient,) = torch.autograd.grad(margin, shift)
        shift = shift.detach() - radius * gradient / gradient.norm() / 5
        shift = shift * min(1.0, radius / float(shift.norm()))
    assert float(shift.norm()) == pytest.approx(radius, rel=1e-4)


def test_bounds_are_those_of_the_formula() -> None:
    values = np.random.default_rng(0).uniform(-1, 1, (50, 3))
    found = lower_bounds(torch.from_numpy(values), 0.01).numpy()
    log = math.log(2 / (0.01 / 3))
    for column, bound in zip(values.T, found, strict=True):
        zero_one = (column + 1) / 2
        error = math.sqrt(2 * zero_one.var(ddof=1) * log / 50) + 7 * log / (3 * 49)
        assert bound == pytest.approx(2 * (zero_one.mean() - error) - 1)


def test_bounds_hold_as_often_as_they_say() -> None:
    generator = torch.Generator().manual_seed(0)
    chance = torch.tensor([0.01, 0.3, 0.5, 0.99]).double()
    wrong, tight = 0, 0.0
    for _ in range(400):
        draws = (torch.rand(300, 4, generator=generator) < chance).double() * 2 - 1
        below = (2 * chance - 1) - lower_bounds(draws, 0.05)
        wrong += bool((below < 0).any())
        tight = max(tight, float(below.max()))
    assert wrong <= 0.05 * 400
    assert tight < 0.6


def test_the_best_positive_counts_and_a_negative_like_it_forbids_a_radius() -> None:
    draws = unit(torch.tensor([[1.0, 0.02]])).repeat(3000, 1)
    good, bad = unit(torch.tensor([[1.0, 0.0]])), unit(torch.tensor([[0.0, -1.0]]))
    negatives = unit(torch.tensor([[0.0, 1.0], [-1.0, 0.0]]))

    def radius(positives: Tensor, others: Tensor) -> float:
        return certified_radius(draws, draws, positives, others, sigma=0.1, alpha=0.001)

    assert radius(torch.cat([bad, good]), negatives) == radius(good, negatives) > 0
    assert radius(bad, negatives) == 0
    assert radius(good, torch.cat([negatives, good])) == 0
    assert radius(good, negatives[:0]) == math.inf
    assert radius(good[:0], negatives) == 0


def test_noise_is_gaussian_and_depends_on_the_seed_alone() -> None:
    class Pixels(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return torch.cat([images.flatten(1), torch.full((len(images), 1), 100.0)], dim=1)

    image = torch.rand(3, 4, 2)
    found = noisy_embeddings(Pixels(), image, 0.3, 3000, seed=0)
    assert found.shape == (3000, 25)
    pixels = 100 * found[:, :24] / found[:, 24:]
    torch.testing.assert_close(pixels.mean(0), image.flatten().double(), atol=0.03, rtol=0)
    torch.testing.assert_close(pixels.std(0), torch.full((24,), 0.3).double(), atol=0.02, rtol=0)
    torch.manual_seed(9)
    assert torch.equal(found, noisy_embeddings(Pixels(), image, 0.3, 3000, seed=0))
    assert not torch.equal(found, noisy_embeddings(Pixels(), image, 0.3, 3000, seed=1))


def test_certified_rank_1_counts_queries_at_a_radius() -> None:
    radii = [0.0, 0.1, 0.2, 0.3]
    assert certified_rank1(radii, 0.0) == 75
    assert certified_rank1(radii, 0.2) == 50
    assert certified_rank1(radii, 0.31) == 0
