"""Bandits beside a loop over single images, and on a loss that is linear in the image."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import attacks.bandits as bandits
from tests.black_box_toys import embed, linear_toy, unit_rows
from tests.tiny_scene import make_attack, tiny

EPS = 8 / 255
few = settings(max_examples=8)


@few
@given(st.floats(-0.999, 0.999), st.floats(-0.05, 0.05), st.floats(0.1, 100))
def test_the_prior_follows_the_published_update(prior: float, gradient: float, rate: float) -> None:
    real = (prior + 1) / 2
    up, down = real * np.exp(rate * gradient), (1 - real) * np.exp(-rate * gradient)
    pair = torch.tensor([[prior], [gradient]], dtype=torch.float64)
    found = bandits.exponentiated(pair[0], pair[1], rate)
    assert float(found) == pytest.approx(2 * up / (up + down) - 1, abs=1e-9)


@few
@given(st.floats(-1, 1), st.floats(-1e6, 1e6))
def test_the_prior_stays_between_minus_one_and_one(prior: float, gradient: float) -> None:
    found = float(bandits.exponentiated(torch.tensor([prior]), torch.tensor([gradient]), 100.0))
    assert abs(found) <= 1 + 1e-6


def test_bandits_equals_a_loop_by_hand() -> None:
    encoder, batch = tiny(double=True)
    options: dict[str, object] = {"exploration": 0.7, "probe": 0.2, "prior_rate": 50.0}
    outcome = make_attack("bandits", 8.0, queries=41, **options).run(encoder, batch)
    for i in range(3):
        clean, own = batch.images[i].numpy(), unit_rows(batch.clean)[i]
        generator = torch.Generator().manual_seed(batch.seeds[i])
        x, prior, kept = clean, np.zeros((3, 4, 2)), {}
        for step in range(20):
            u = torch.randn(3, 4, 2, generator=generator).double().numpy() / np.sqrt(24)
            cosines = []
            for sign in (1, -1):
                q = np.kron(prior + sign * 0.7 * u, np.ones((4, 4)))
                probe = np.clip(x + 0.2 * q / np.sqrt((q**2).sum()), 0, 1)
                cosines.append(float(embed(encoder, probe) @ own))
            g = (cosines[0] - cosines[1]) / (0.2 * 0.7) * u
            real = (prior + 1) / 2
            up, down = real * np.exp(50 * g), (1 - real) * np.exp(-50 * g)
            prior = 2 * up / (up + down) - 1
            x = x - 0.1 * EPS * np.sign(np.kron(prior, np.ones((4, 4))))
            x = np.clip(np.clip(x, clean - EPS, clean + EPS), 0, 1)
            kept[2 * step + 2] = x
        np.testing.assert_allclose(outcome.images[i].numpy(), x, atol=1e-9)
        for mark in (10, 20):
            np.testing.assert_allclose(outcome.snapshots[mark][i].numpy(), kept[mark], atol=1e-9)


def test_gradients_are_estimated_along_the_true_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the prior held at 0 the mean of n estimates in d dimensions has an expected cosine of
    about sqrt(n / (n + d)) with the gradient: 0.98 for 480 and 24."""
    encoder, batch, coarse = linear_toy(1)
    estimates: list[Tensor] = []

    def spy(prior: Tensor, gradient: Tensor, rate: float) -> Tensor:
        estimates.append(gradient[0])
        return prior

    monkeypatch.setattr(bandits, "exponentiated", spy)
    make_attack("bandits", 8.0, queries=960).run(encoder, batch)
    assert len(estimates) == 480
    mean = torch.stack(estimates).mean(0)
    assert float(torch.cosine_similarity(mean.flatten(), coarse.flatten(), dim=0)) > 0.93


def test_bandits_descends_a_linear_loss_nearly_to_its_least_value() -> None:
    encoder, batch, _ = linear_toy()
    outcome = make_attack("bandits", 8.0, queries=500).run(encoder, batch)
    least = 0.5 - EPS * float(encoder.gradient.abs().sum())
    with torch.no_grad():
        reached = encoder(outcome.images)[:, 0]
        on_the_way = {mark: encoder(x)[:, 0].mean() for mark, x in outcome.snapshots.items()}
    assert ((0.5 - reached) > 0.9 * (0.5 - least)).all()
    assert on_the_way[10] > on_the_way[100] > on_the_way[500]
