"""Auto-PGD beside its algorithm 1 written plainly: one image at a time, numpy, no tensors."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmark.core.attack_batch import AttackBatch
from benchmark.core.auto_pgd import AutoPGD, _StepSizes, checkpoints
from benchmark.core.errors import UsageError
from benchmark.core.seeding import derive_seed, uniform_noise
from tests.tiny_scene import image_set, scene

EPS_255 = 8.0
EPS = EPS_255 / 255
SIZE = (3, 4, 2)
PIXELS = 24
ROWS = [0, 3, 6, 9, 12, 15]

Array = NDArray[np.float64]


class Flat(nn.Module):
    """The pixels as the embedding, in double precision."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones((), dtype=torch.float64), requires_grad=False)

    def forward(self, images: Tensor) -> Tensor:
        return self.scale * images.flatten(1)


RNG = np.random.default_rng(5)
DIRECTIONS = RNG.normal(0, 40, (12, PIXELS))
PHASES = RNG.uniform(0, 6, 12)
SLOPE = RNG.normal(0, 3, PIXELS)


class Wavy(AutoPGD):
    """J(x) = sum of sin(d x + phase) + slope x: many maxima, and steps too long for them."""

    def begin(self, batch: AttackBatch) -> None:
        return None

    def objective(self, vectors: Tensor, state: object) -> Tensor:
        waves = torch.sin(vectors @ torch.from_numpy(DIRECTIONS).T + torch.from_numpy(PHASES))
        return waves.sum(1) + vectors @ torch.from_numpy(SLOPE)


def wavy(x: Array) -> tuple[float, Array]:
    angles = DIRECTIONS @ x + PHASES
    return float(np.sin(angles).sum() + SLOPE @ x), DIRECTIONS.T @ np.cos(angles) + SLOPE


def make(**options: object) -> Wavy:
    return Wavy(Wavy.parse_config({"unit": False, **options}), EPS_255)


def batch_of(rows: list[int] = ROWS, seed: int = 0) -> AttackBatch:
    return scene(Flat(), image_set(size=SIZE[1:]), rows, seed)


def published_checkpoints(steps: int) -> list[int]:
    """w_j = ceil(p_j N) with the recursion of the paper, in hundredths."""
    p = [0, 22]
    while p[-1] < 100:
        p.append(p[-1] + max(p[-1] - p[-2] - 3, 6))
    return [w for w in (int(np.ceil(round(one * steps / 100, 6))) for one in p[1:]) if w < steps]


def reference(
    clean: Array, start: Array, steps: int, first: float, momentum: float
) -> tuple[Array, list[float], int]:
    """Algorithm 1 of the paper for one image: best iterate, all objectives, number of halvings."""

    def legal(z: Array) -> Array:
        return np.clip(clean + np.clip(z - clean, -EPS, EPS), 0, 1)

    w = [0, *published_checkpoints(steps)]
    eta, halvings = first, 0
    x, x_before = start, start
    f, g = wavy(x)
    values = [f]
    best, f_best, g_best = x, f, g
    rises = 0
    eta_then, f_best_then = eta, f_best
    for k in range(steps):
        if k == 0:
            x_next = legal(x + eta * np.sign(g))
        else:
            z = legal(x + eta * np.sign(g))
            x_next = legal(x + momentum * (z - x) + (1 - momentum) * (x - x_before))
        f_next, g_next = wavy(x_next)
        values.append(f_next)
        rises += f_next > f
        if f_next > f_best:
            best, f_best, g_best = x_next, f_next, g_next
        x_before, x, f, g = x, x_next, f_next, g_next
        if k + 1 in w:
            j = w.index(k + 1)
            few_rises = rises < 0.75 * (w[j] - w[j - 1])
            nothing_new = eta == eta_then and f_best == f_best_then
            eta_then, f_best_then, rises = eta, f_best, 0
            if few_rises or nothing_new:
                eta, halvings = eta / 2, halvings + 1
                x, f, g = best, f_best, g_best
    return best, values, halvings


@pytest.mark.parametrize(
    ("options", "first", "momentum"),
    [
        ({"steps": 20}, 2 * EPS, 0.75),
        ({"steps": 57, "start": 1.0}, 2 * EPS, 0.75),
        ({"steps": 30, "start": 0.5, "alpha_255": 3.0, "momentum": 0.9}, 3 / 255, 0.9),
        ({"steps": 1}, 2 * EPS, 0.75),
        ({"steps": 9, "momentum": 1.0}, 2 * EPS, 1.0),
    ],
)
def test_best_images_equal_the_reference(
    options: dict[str, float], first: float, momentum: float
) -> None:
    batch, attack = batch_of(), make(**options)
    noise = uniform_noise(batch.seeds, SIZE).double().numpy()
    found = attack.run(Flat(), batch).images.flatten(1).numpy()
    share, steps, halved = options.get("start", 0.0), int(options["steps"]), 0
    traces = []
    for i, image in enumerate(batch.images):
        clean = image.flatten().numpy()
        start = np.clip(clean + share * EPS * noise[i].ravel(), 0, 1)
        best, values, halvings = reference(clean, start, steps, first, momentum)
        np.testing.assert_allclose(found[i], best, rtol=0, atol=1e-9)
        traces.append(np.maximum.accumulate(values))
        halved += halvings
    np.testing.assert_allclose(attack.trace, np.mean(traces, 0), rtol=0, atol=1e-8)
    assert halved > 0 or steps < 9


def test_the_best_of_restarts_is_kept_image_by_image() -> None:
    batch = batch_of()
    attack = make(steps=12, start=1.0, restarts=3)
    found = attack.run(Flat(), batch).images.flatten(1).numpy()
    winners = set()
    for i, image in enumerate(batch.images):
        clean, runs = image.flatten().numpy(), []
        for restart in range(3):
            seed = derive_seed(batch.seeds[i], restart) if restart else batch.seeds[i]
            noise = uniform_noise([seed], SIZE)[0].double().numpy().ravel()
            start = np.clip(clean + EPS * noise, 0, 1)
            runs.append(reference(clean, start, 12, 2 * EPS, 0.75)[0])
        winner = int(np.argmax([wavy(run)[0] for run in runs]))
        winners.add(winner)
        np.testing.assert_allclose(found[i], runs[winner], rtol=0, atol=1e-9)
    assert len(winners) > 1


def test_checkpoints_of_100_steps_are_those_of_the_paper() -> None:
    # Intervals of 22, 19, 16, 13, 10, 7 percent, then 6.
    assert checkpoints(100) == [22, 41, 57, 70, 80, 87, 93, 99]
    assert checkpoints(20) == [5, 9, 12, 14, 16, 18, 19]
    assert checkpoints(1) == []


@settings(max_examples=60)
@given(st.integers(1, 1000))
def test_checkpoints_ascend_and_follow_the_recursion(steps: int) -> None:
    found = checkpoints(steps)
    assert found == sorted(set(published_checkpoints(steps)))
    assert all(1 <= one < steps for one in found)


@pytest.mark.parametrize("restarts", [1, 3])
def test_a_step_costs_a_pass_each_way_and_a_restart_one_forward_more(restarts: int) -> None:
    outcome = make(steps=7, start=1.0, restarts=restarts).run(Flat(), batch_of())
    images = len(ROWS)
    assert outcome.backwards == 7 * restarts * images
    assert outcome.forwards == (7 + 1) * restarts * images
    assert len(outcome.trace) == (7 + 1) * restarts


def test_the_trace_never_falls_and_ends_at_what_is_returned() -> None:
    batch = batch_of()
    outcome = make(steps=30, start=1.0, restarts=2).run(Flat(), batch)
    assert np.all(np.diff(outcome.trace) >= 0)
    reached = [wavy(image.flatten().numpy())[0] for image in outcome.images]
    assert outcome.trace[-1] == pytest.approx(np.mean(reached), abs=1e-9)
    assert outcome.trace[-1] > outcome.trace[0] + 1


def test_a_negative_direction_descends() -> None:
    batch = batch_of()
    values = []
    for direction in (1.0, -1.0):
        turned = AttackBatch(**{**vars(batch), "direction": direction})
        images = make(steps=20).run(Flat(), turned).images
        values.append([wavy(image.flatten().numpy())[0] for image in images])
    clean = [wavy(image.flatten().numpy())[0] for image in batch.images]
    assert np.all(np.array(values[0]) > clean)
    assert np.all(np.array(values[1]) < clean)


def test_restarts_need_a_random_start() -> None:
    with pytest.raises(UsageError, match="restarts = 2 without a random start"):
        make(restarts=2)
    assert make(restarts=2, start=0.5).config.restarts == 2


@pytest.mark.parametrize(
    "options",
    [{"restarts": 0}, {"momentum": 0.0}, {"momentum": 1.1}, {"steps": 0}, {"best_iterate": False}],
)
def test_options_out_of_range_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(UsageError, match=next(iter(options))):
        make(**options)


def test_the_inner_budget_of_a_training_is_the_steps_alone() -> None:
    assert Wavy.inner_options(7, 2.0) == {"steps": 7}


def test_a_step_size_halved_at_the_last_checkpoint_is_not_halved_for_want_of_a_new_best() -> None:
    def judged(values: list[float], best: float) -> bool:
        for value in values:
            sizes.observe(torch.tensor([value]))
        return bool(sizes.judge(torch.tensor([best])))

    sizes = _StepSizes(torch.zeros(1, 3, 2, 2), 1.0)
    assert judged([5.0, 4.0, 3.0], 5.0)  # no rise
    assert not judged([1.0, 2.0, 3.0, 4.0, 4.5], 5.0)  # 4 rises of 5, no new best, just halved
    assert judged([4.6, 4.7, 4.8, 4.9], 5.0)  # 4 rises of 4, no new best, not just halved
    assert not judged([1.0, 5.1, 5.2, 5.3, 5.4], 5.4)
    assert not judged([5.5, 5.6, 5.7, 5.6], 5.7)  # 3 rises of 4 suffice
    assert float(sizes.sizes) == 0.25
