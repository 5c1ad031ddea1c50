"""Square beside a loop over single images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from torch import nn

from attacks.square import rectangle
from benchmark.core.attack_batch import AttackBatch
from benchmark.core.seeding import uniform_noise
from tests.black_box_toys import embed, matches_of, unit_rows
from tests.tiny_scene import make_attack, tiny

EPS = 8 / 255


@pytest.mark.parametrize(
    ("step", "sides"),
    [
        (0, (229, 114)),
        (10, (229, 114)),
        (11, (162, 81)),
        (50, (162, 81)),
        (51, (114, 57)),
        (201, (81, 40)),
        (501, (57, 29)),
        (1001, (40, 20)),
        (2001, (29, 14)),
        (4001, (20, 10)),
        (6001, (14, 7)),
        (8001, (10, 5)),
        (9999, (10, 5)),
    ],
)
def test_rectangles_shrink_by_the_published_schedule(step: int, sides: tuple[int, int]) -> None:
    """0.8 of the area, halved after each of nine steps; sides by hand from its square root."""
    assert rectangle(step, 10000, 0.8, (256, 128)) == sides
    assert rectangle(step // 10, 1000, 0.8, (256, 128)) == rectangle(
        step // 10 * 10, 10000, 0.8, (256, 128)
    )


def square_loss(batch: AttackBatch, i: int, objective: str) -> Callable[[np.ndarray], float]:
    guides, matching = unit_rows(batch.gallery_guides.embeddings), matches_of(batch, i)
    if objective == "matches":
        return lambda e: batch.direction * float(np.mean([g @ e for g in guides[matching]]))
    others = batch.gallery_guides.pids.numpy() != int(batch.pids[i])
    return lambda e: (
        batch.direction
        * float(max(g @ e for g in guides[matching]) - max(g @ e for g in guides[others]))
    )


def square_by_hand(
    encoder: nn.Module, batch: AttackBatch, i: int, queries: int, objective: str
) -> tuple[list[np.ndarray], list[float]]:
    """Return the best image and the lowest loss after each answer."""
    clean = batch.images[i].numpy()
    _, height, width = clean.shape
    noise = uniform_noise([batch.seeds[i]], (3 * width + 5 * (queries - 1),))[0].double().numpy()
    loss = square_loss(batch, i, objective)

    def moved(signs: np.ndarray) -> np.ndarray:
        return np.clip(np.clip(clean + EPS * signs, clean - EPS, clean + EPS), 0, 1)

    best, lowest = clean, loss(unit_rows(batch.clean)[i])
    images, losses = [], []
    for answer in range(queries):
        if answer == 0:
            stripes = np.where(noise[: 3 * width] < 0, -1.0, 1.0).reshape(3, 1, width)
            tried = moved(np.broadcast_to(stripes, clean.shape))
        else:
            first = 3 * width + 5 * (answer - 1)
            place, signs = noise[first : first + 2], np.sign(noise[first + 2 : first + 5])
            h, w = rectangle(answer - 1, queries, 0.8, (height, width))
            top = int((place[0] + 1) / 2 * (height - h + 1))
            left = int((place[1] + 1) / 2 * (width - w + 1))
            inside = (slice(None), slice(top, top + h), slice(left, left + w))
            for sign in (1, -1):
                tried = best.copy()
                whole = moved(np.broadcast_to(sign * signs[:, None, None], clean.shape))
                tried[inside] = whole[inside]
                if not np.array_equal(tried, best):
                    break
        value = loss(embed(encoder, tried))
        if value < lowest:
            best, lowest = tried, value
        images.append(best)
        losses.append(lowest)
    return images, losses


@pytest.mark.parametrize("direction", [1.0, -1.0])
@pytest.mark.parametrize("objective", ["matches", "margin"])
def test_square_equals_a_loop_by_hand(objective: str, direction: float) -> None:
    encoder, plain = tiny(double=True)
    batch = replace(plain, direction=direction)
    outcome = make_attack("square", 8.0, queries=60, objective=objective).run(encoder, batch)
    by_hand = [square_by_hand(encoder, batch, i, 60, objective) for i in range(3)]
    for i, (images, _) in enumerate(by_hand):
        np.testing.assert_allclose(outcome.images[i].numpy(), images[-1], atol=1e-9)
        assert len({image.tobytes() for image in images}) > 5
        for mark in (10, 20, 50, 60):
            np.testing.assert_allclose(
                outcome.snapshots[mark][i].numpy(), images[mark - 1], atol=1e-9
            )
    expected = np.mean([losses for _, losses in by_hand], axis=0)
    np.testing.assert_allclose(outcome.trace, expected, atol=1e-9)
