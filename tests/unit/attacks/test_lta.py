from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from attacks.lta import LTA, luminance, rectangles
from benchmark.core.errors import UsageError
from benchmark.core.seeding import derive_seed, uniform_noise
from tests.tiny_scene import make_attack, tiny

few = settings(max_examples=15)
unit_draws = st.floats(0, 1, exclude_max=True)


def draws_of(seed: int, step: int) -> np.ndarray:
    noise = uniform_noise([derive_seed(seed, step)], (4,))[0].numpy()
    return (noise.astype(np.float64) + 1) / 2


def view_of(image: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """Return tau(x) of one (3, H, W) image, by slicing."""
    _, height, width = image.shape
    area = height * width * (0.02 + 0.38 * draws[0])
    aspect = 0.3 + 3.03 * draws[1]
    h = min(max(1, round(np.sqrt(area * aspect))), height)
    w = min(max(1, round(np.sqrt(area / aspect))), width)
    top, left = int(draws[2] * (height - h + 1)), int(draws[3] * (width - w + 1))
    view = image.copy()
    inside = view[:, top : top + h, left : left + w]
    inside[:] = 0.299 * inside[0] + 0.587 * inside[1] + 0.114 * inside[2]
    return view


@few
@given(st.integers(0, 2**62), st.integers(0, 50), st.integers(8, 64), st.integers(8, 64))
def test_the_view_loses_the_colour_of_a_rectangle(
    seed: int, step: int, height: int, width: int
) -> None:
    images = np.random.default_rng(0).random((2, 3, height, width))
    draws = np.stack([draws_of(seed, step), draws_of(seed + 1, step)])
    inside = rectangles(torch.from_numpy(draws), height, width)
    x = torch.from_numpy(images)
    views = torch.where(inside, luminance(x), x).numpy()
    expected = np.stack([view_of(*pair) for pair in zip(images, draws, strict=True)])
    np.testing.assert_allclose(views, expected, atol=1e-7)


@few
@given(st.lists(unit_draws, min_size=4, max_size=4), st.integers(8, 300), st.integers(8, 300))
def test_a_rectangle_lies_inside_and_has_the_area(
    draws: list[float], height: int, width: int
) -> None:
    mask = rectangles(torch.tensor([draws], dtype=torch.float64), height, width)[0, 0].numpy()
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    assert mask.sum() == (np.ptp(rows) + 1) * (np.ptp(columns) + 1) > 0
    wanted = (0.02 + 0.38 * draws[0]) * height * width
    if len(rows) < height and len(columns) < width:
        assert abs(mask.sum() - wanted) <= (len(rows) + len(columns)) / 2 + 0.25
    else:
        assert mask.sum() <= wanted + (len(rows) + len(columns)) / 2 + 0.25


@pytest.mark.parametrize("momentum", [0.0, 1.0])
def test_steps_equal_autograd_by_hand(momentum: float) -> None:
    encoder, batch = tiny(double=True, size=(32, 16))
    attack = make_attack("lta", 8.0, steps=3, momentum=momentum)
    found = attack.run(encoder, batch).images
    for i, clean in enumerate(batch.images):
        x, velocity = clean.clone(), torch.zeros_like(clean)
        for step in range(3):
            view = torch.from_numpy(view_of(clean.numpy(), draws_of(batch.seeds[i], step)))
            goal = encoder(view[None])[0]
            goal = (goal / goal.norm()).detach()
            x = x.detach().requires_grad_(True)
            e = encoder(x[None])[0]
            (gradient,) = torch.autograd.grad(((e / e.norm() - goal) ** 2).sum(), x)
            velocity = momentum * velocity + gradient / gradient.abs().mean()
            x = (x + 1 / 255 * velocity.sign()).clamp(0, 1)
            x = torch.min(torch.max(x, clean - 8 / 255), clean + 8 / 255)
        assert float(((found[i] - x).abs() < 1e-9).double().mean()) > 0.999
        assert not torch.equal(found[i], clean)


def test_every_step_has_a_view_of_its_own() -> None:
    _, batch = tiny()
    attack = make_attack("lta")
    assert isinstance(attack, LTA)
    masks = [rectangles(attack.draws(batch, step, 4), 16, 8) for step in range(8)]
    assert len({tuple(mask.flatten().tolist()) for mask in masks}) > 6
    assert not torch.equal(masks[0][0], masks[0][1])


def test_a_step_costs_a_backward_and_two_forwards() -> None:
    encoder, batch = tiny()
    outcome = make_attack("lta", 8.0, steps=4).run(encoder, batch)
    assert (outcome.forwards, outcome.backwards) == (2 * 4 * 3, 4 * 3)
    assert len(outcome.trace) == 4
    assert outcome.trace[-1] > outcome.trace[0]


def test_a_best_of_moving_objectives_is_refused() -> None:
    with pytest.raises(UsageError, match="best_iterate"):
        make_attack("lta", 8.0, best_iterate=True)
