from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from defenses.ddid.edm import EDM

EDM_ = EDM()


def zero(noisy: Tensor, c_noise: Tensor) -> Tensor:
    return torch.zeros_like(noisy)


def draw(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_without_noise_the_denoiser_returns_its_input() -> None:
    images, noise = draw(0, 3, 2, 4, 2), draw(1, 3, 2, 4, 2)
    denoised = EDM_.denoise(lambda x, c: noise, images, torch.full((3,), 1e-6))
    torch.testing.assert_close(denoised, images, atol=1e-5, rtol=0)


@pytest.mark.parametrize("sigma", [0.01, 0.3, 1.0, 20.0])
def test_network_input_and_target_have_unit_variance(sigma: float) -> None:
    clean = EDM_.sigma_data * draw(0, 64, 3, 16, 8)
    noisy = clean + sigma * draw(1, 64, 3, 16, 8)
    seen: list[Tensor] = []

    def network(scaled: Tensor, c_noise: Tensor) -> Tensor:
        seen.extend([scaled, c_noise])
        return torch.ones_like(scaled)

    level = torch.full((64,), sigma)
    skipped = EDM_.denoise(zero, noisy, level)
    scale = EDM_.denoise(network, noisy, level) - skipped
    target = (clean - skipped) / scale
    assert seen[0].std().item() == pytest.approx(1, abs=0.03)
    assert target.std().item() == pytest.approx(1, abs=0.03)
    torch.testing.assert_close(seen[1], level.log() / 4)
    weight = EDM_.weight(level).view(-1, 1, 1, 1)
    torch.testing.assert_close(weight * scale**2, torch.ones_like(scale), rtol=1e-3, atol=0)


@pytest.mark.parametrize("sigma", [0.05, 0.5, 10.0])
def test_the_loss_of_an_idle_network_is_one_at_every_noise_level(sigma: float) -> None:
    clean = EDM_.sigma_data * draw(0, 64, 3, 16, 8)
    loss = EDM_.loss(zero, clean, torch.full((64,), sigma), draw(1, 64, 3, 16, 8))
    assert loss.shape == (64,)
    assert loss.mean().item() == pytest.approx(1, abs=0.03)


def test_training_noise_levels_are_log_normal() -> None:
    logs = EDM_.training_sigma(draw(0, 20_000)).log()
    assert logs.mean().item() == pytest.approx(-1.2, abs=0.03)
    assert logs.std().item() == pytest.approx(1.2, abs=0.03)


@pytest.mark.parametrize(("start", "highest"), [(None, 80.0), (1.5, 1.5)])
def test_sampler_levels_follow_equation_5(start: float | None, highest: float) -> None:
    ramp = np.arange(18) / 17
    inner = highest ** (1 / 7) + ramp * (0.002 ** (1 / 7) - highest ** (1 / 7))
    expected = np.append(inner**7, 0)
    np.testing.assert_allclose(EDM_.levels(18, start).numpy(), expected, rtol=1e-4)


def heun_error(steps: int) -> float:
    # For data N(0, sigma_data^2) the best denoiser is c_skip x, that is F = 0, and the ODE has
    # the solution x(0) = x(sigma) sigma_data / sqrt(sigma^2 + sigma_data^2).
    start = 3 * draw(0, 4, 1, 2, 2).double()
    levels = EDM_.levels(steps, 3.0)
    exact = start * EDM_.sigma_data / (levels[0] ** 2 + EDM_.sigma_data**2).sqrt()
    return float((EDM_.sample(zero, start, levels) - exact).abs().max())


def test_the_sampler_solves_the_gaussian_case_to_second_order() -> None:
    assert heun_error(40) < 5e-3
    assert heun_error(10) / heun_error(20) > 3
