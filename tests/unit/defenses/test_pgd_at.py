from __future__ import annotations

import pytest
import torch

from tests.tiny_scene import make_defense
from tests.unit.defenses.tiny_step import retrieval_loss, tiny_step


def test_it_learns_from_adversarial_images_alone() -> None:
    step = tiny_step()
    loss = make_defense("pgd-at").training_step(step)
    (crafted,), (batch,) = step.ascents, step.batches
    assert torch.equal(batch, crafted.images)
    expected = retrieval_loss(step.trained_output(batch), step.labels)
    assert float(loss.detach()) == pytest.approx(expected, abs=1e-5)


def test_with_clean_images_both_weigh_the_same_in_one_batch() -> None:
    step = tiny_step()
    loss = make_defense("pgd-at", with_clean=True).training_step(step)
    (crafted,), count = step.ascents, len(step.images)
    output = step.trained_output(step.images, crafted.images)
    clean = retrieval_loss(output.rows(slice(None, count)), step.labels)
    attacked = retrieval_loss(output.rows(slice(count, None)), step.labels)
    assert float(loss.detach()) == pytest.approx((clean + attacked) / 2, abs=1e-5)


def test_the_attack_maximises_the_loss_that_trains() -> None:
    step = tiny_step()
    make_defense("pgd-at").training_step(step)
    (crafted,) = step.ascents

    def loss(images: torch.Tensor) -> float:
        return retrieval_loss(step.eval_output(images), step.labels)

    for images in (crafted.clean, crafted.images):
        assert float(crafted.objective(step.eval_output(images)).sum()) == pytest.approx(
            loss(images), abs=1e-5
        )
    generator = torch.Generator().manual_seed(0)
    signs = [torch.randn(crafted.clean.shape, generator=generator).sign() for _ in range(10)]
    luckiest = max(loss((crafted.clean + 8 / 255 * sign).clamp(0, 1)) for sign in signs)
    clean = loss(crafted.clean)
    assert loss(crafted.images) - clean > 3 * abs(luckiest - clean)
