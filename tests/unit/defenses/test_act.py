from __future__ import annotations

import numpy as np
import pytest
import torch

from defenses.act import triplet_loss
from tests.tiny_scene import make_defense
from tests.unit.defenses.tiny_step import WatchedStep, identity_loss, tiny_step, unit_rows


def triplets(step: WatchedStep) -> list[tuple[int, int, int]]:
    """Return (anchor, positive, negative) rows, by a search on clean embeddings."""
    unit, labels = unit_rows(step.eval_output(step.images).embeddings), step.labels.tolist()
    found = []
    for p, own in enumerate(labels):
        gaps = {j: float(np.linalg.norm(unit[p] - unit[j])) for j in range(len(labels))}
        same = [j for j in gaps if labels[j] == own]
        others = [j for j in gaps if labels[j] != own]
        found.append((max(same, key=gaps.__getitem__), p, min(others, key=gaps.__getitem__)))
    return found


@pytest.mark.parametrize("under_attack", [True, False])
@pytest.mark.parametrize("margin", [0.3, 2.0])
def test_the_loss_is_that_of_clean_anchors_and_joined_pairs(
    under_attack: bool, margin: float
) -> None:
    step = tiny_step()
    defense = make_defense("act", margin=margin, identity_under_attack=under_attack)
    loss = defense.training_step(step)
    (crafted,), count = step.ascents, len(step.images)
    output = step.trained_output(step.images, crafted.images)
    unit = unit_rows(output.features)
    hinges = []
    for a, p, n in triplets(step):
        to_positive = np.linalg.norm(unit[a] - unit[count + p])
        to_negative = np.linalg.norm(unit[a] - unit[count + n])
        hinges.append(max(0.0, to_positive - to_negative + margin))
    expected = identity_loss(output.logits[:count], step.labels)
    if under_attack:
        attacked = identity_loss(output.logits[count:], step.labels)
        expected = (expected + attacked) / 2
    assert float(loss.detach()) == pytest.approx(expected + np.mean(hinges), abs=1e-5)


def test_both_images_of_a_pair_move_toward_each_other() -> None:
    step = tiny_step()
    make_defense("act").training_step(step)
    (crafted,) = step.ascents
    pairs = [(p, n) for _, p, n in triplets(step)]

    def gaps(first: torch.Tensor, second: torch.Tensor) -> np.ndarray:
        one, two = (unit_rows(step.eval_output(x).embeddings) for x in (first, second))
        return np.array([np.sum((one[p] - two[n]) ** 2) for p, n in pairs])

    clean, found = crafted.clean, crafted.images
    np.testing.assert_allclose(
        crafted.objective(step.eval_output(found)).numpy(), -gaps(found, found), atol=1e-5
    )
    apart, positive_moved = gaps(clean, clean).mean(), gaps(found, clean).mean()
    negative_moved, both = gaps(clean, found).mean(), gaps(found, found).mean()
    assert both < min(positive_moved, negative_moved) <= max(positive_moved, negative_moved) < apart


def test_the_term_of_a_pair_has_a_gradient_on_both_of_its_images() -> None:
    step = tiny_step()
    make_defense("act").training_step(step)
    (crafted,) = step.ascents
    output = step.eval_output(step.images)
    output.embeddings.requires_grad_(True)
    row = 0
    crafted.objective(output)[row].backward()  # type: ignore[no-untyped-call]
    touched = output.embeddings.grad.abs().sum(1).nonzero().flatten().tolist()  # type: ignore[union-attr]
    _, positive, negative = triplets(step)[row]
    assert touched == sorted([positive, negative])


def test_a_triplet_of_one_point_has_a_finite_gradient() -> None:
    point = torch.ones(1, 3, requires_grad=True)
    triplet_loss(point, point, point, 0.3).backward()  # type: ignore[no-untyped-call]
    assert point.grad is not None
    assert bool(torch.isfinite(point.grad).all())
