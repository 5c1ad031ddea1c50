from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from defenses.trades import divergence
from tests.tiny_scene import make_defense
from tests.unit.defenses.tiny_step import log_softmax, retrieval_loss, tiny_step

logits = st.lists(st.floats(-30, 30, width=32), min_size=4, max_size=4)


def kl(first: torch.Tensor, second: torch.Tensor) -> np.ndarray:
    """Return sum p log(p / q) of each row in double precision."""
    log_p, log_q = log_softmax(first), log_softmax(second)
    return np.asarray((np.exp(log_p) * (log_p - log_q)).sum(1))


@given(logits, logits)
def test_the_divergence_is_that_of_the_definition(first: list[float], second: list[float]) -> None:
    p, q = torch.tensor([first, first]), torch.tensor([second, first])
    found = divergence(p, q)
    np.testing.assert_allclose(found.numpy(), kl(p, q), rtol=1e-4, atol=1e-4)
    assert float(found.min()) >= -1e-5
    assert float(found[1]) == 0


@pytest.mark.parametrize("beta", [0.0, 6.0])
def test_the_loss_is_that_of_clean_images_and_the_divergence(beta: float) -> None:
    step = tiny_step()
    loss = make_defense("trades", beta=beta).training_step(step)
    (crafted,), count = step.ascents, len(step.images)
    output = step.trained_output(step.images, crafted.images)
    clean, attacked = output.rows(slice(None, count)), output.rows(slice(count, None))
    penalty = kl(clean.logits, attacked.logits).mean()
    assert penalty > 1e-3
    expected = retrieval_loss(clean, step.labels) + beta * penalty
    assert float(loss.detach()) == pytest.approx(expected, abs=1e-5)


def test_the_attack_starts_beside_the_image_and_moves_the_prediction_of_eval_mode() -> None:
    step = tiny_step()
    make_defense("trades").training_step(step)
    (crafted,) = step.ascents
    noise = crafted.options["noise"]
    assert abs(float(noise.std()) / 0.001 - 1) < 0.05
    clean = step.eval_output(crafted.clean)
    attacked = step.eval_output(crafted.images)
    np.testing.assert_allclose(
        crafted.objective(attacked).numpy(), kl(clean.logits, attacked.logits), atol=1e-5
    )
    assert float(crafted.objective(clean).abs().max()) == 0
    noisy = step.eval_output((crafted.clean + 8 / 255 * noise.sign()).clamp(0, 1))
    assert kl(clean.logits, attacked.logits).mean() > 3 * kl(clean.logits, noisy.logits).mean()


def test_the_penalty_trains_through_both_images() -> None:
    p, q = (torch.randn(2, 5, requires_grad=True) for _ in range(2))
    divergence(p, q).sum().backward()  # type: ignore[no-untyped-call]
    for leaf in (p, q):
        assert leaf.grad is not None
        assert float(leaf.grad.abs().max()) > 0


def test_the_noise_depends_on_the_seed_of_the_step() -> None:
    first, again, other = (tiny_step(seed) for seed in (0, 0, 1))
    for step in (first, again, other):
        make_defense("trades").training_step(step)
    noises = [step.ascents[0].options["noise"] for step in (first, again, other)]
    assert torch.equal(noises[0], noises[1])
    assert not torch.equal(noises[0], noises[2])
