from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.tiny_scene import make_defense
from tests.unit.defenses.tiny_step import retrieval_loss, tiny_step, unit_rows


@pytest.mark.parametrize("beta", [0.0, 6.0])
def test_the_loss_is_that_of_clean_images_and_the_distance(beta: float) -> None:
    step = tiny_step()
    loss = make_defense("metric-trades", beta=beta).training_step(step)
    (crafted,), count = step.attacked, len(step.images)
    output = step.trained_output(step.images, crafted)
    unit = unit_rows(output.embeddings)
    moved = float(np.mean(np.sum((unit[:count] - unit[count:]) ** 2, axis=1)))
    assert moved > 1e-3
    expected = retrieval_loss(output.rows(slice(None, count)), step.labels) + beta * moved
    assert float(loss.detach()) == pytest.approx(expected, abs=1e-5)


def test_the_attack_moves_the_unit_embeddings_of_eval_mode() -> None:
    step = tiny_step()
    make_defense("metric-trades").training_step(step)
    clean = unit_rows(step.eval_output(step.images).embeddings)

    def moved(images: torch.Tensor) -> float:
        unit = unit_rows(step.eval_output(images).embeddings)
        return float(np.sum((unit - clean) ** 2))

    generator = torch.Generator().manual_seed(0)
    signs = [torch.randn(step.images.shape, generator=generator).sign() for _ in range(10)]
    luckiest = max(moved((step.images + 8 / 255 * sign).clamp(0, 1)) for sign in signs)
    assert moved(step.attacked[0]) > 3 * luckiest


def test_the_penalty_trains_through_both_images() -> None:
    """Were the clean side held fixed, its gradient would be that of the retrieval loss alone."""
    gradients = []
    for beta in (0.0, 6.0):
        step = tiny_step()
        loss = make_defense("metric-trades", beta=beta).training_step(step)
        (output,) = step.answers
        gradients.append(torch.autograd.grad(loss, output.embeddings)[0])
    count = len(step.images)
    change = (gradients[1] - gradients[0]).abs().amax(1)
    assert float(change[:count].min()) > 0
    assert float(change[count:].min()) > 0
