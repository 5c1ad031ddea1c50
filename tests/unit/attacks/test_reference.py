"""Every attack beside a loop written another way: one image at a time, numpy steps, all guides."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torchattacks
from torch import Tensor, nn
from torch.nn import functional as F

from benchmark.core.attack_batch import AttackBatch
from benchmark.core.iterated_attack import IteratedAttack
from benchmark.core.seeding import uniform_noise
from tests.tiny_scene import image_set, make_attack, scene, tiny, tiny_encoder

EQUAL_PIXELS = 0.999
"""Share of pixels that must agree to 1e-9; a gradient of rounding size may take another sign."""

Objective = Callable[[Tensor], Tensor]


def squared(a: Tensor, b: Tensor) -> Tensor:
    distance: Tensor = ((a - b) ** 2).sum()
    return distance


def unit(vector: Tensor) -> Tensor:
    scaled: Tensor = vector / vector.norm()
    return scaled


def centroids(batch: AttackBatch, as_unit: bool) -> dict[int, Tensor]:
    guides = batch.gallery_guides
    rows: dict[int, list[Tensor]] = {}
    for pid, vector in zip(guides.pids.tolist(), guides.embeddings, strict=True):
        rows.setdefault(pid, []).append(unit(vector) if as_unit else vector)
    return {pid: torch.stack(vectors).mean(0) for pid, vectors in rows.items()}


def farthest(batch: AttackBatch, i: int, as_unit: bool = True) -> Tensor:
    own = unit(batch.clean[i]) if as_unit else batch.clean[i]
    others = {p: c for p, c in centroids(batch, as_unit).items() if p != int(batch.pids[i])}
    return max(others.values(), key=lambda centre: float(squared(own, centre)))


def positives(batch: AttackBatch, i: int, other_cameras: bool) -> list[Tensor]:
    guides = batch.gallery_guides
    return [
        vector
        for pid, camid, vector in zip(
            guides.pids.tolist(), guides.camids.tolist(), guides.embeddings, strict=True
        )
        if pid == int(batch.pids[i]) and (not other_cameras or camid != int(batch.camids[i]))
    ]


def push(batch: AttackBatch, i: int) -> Objective:
    guides = positives(batch, i, other_cameras=True)
    return lambda e: torch.stack([squared(unit(e), unit(p)) for p in guides]).mean()


def push_pull(batch: AttackBatch, i: int) -> Objective:
    away, far = push(batch, i), farthest(batch, i)
    return lambda e: away(e) - squared(unit(e), far)


def furthest_negative(batch: AttackBatch, i: int, as_unit: bool = True) -> Objective:
    # Four images of every identity guide, so there is nothing to pad.
    guides, far = positives(batch, i, other_cameras=False), farthest(batch, i, as_unit)
    assert len(guides) == 4
    space: Callable[[Tensor], Tensor] = unit if as_unit else lambda e: e
    return lambda e: sum(squared(space(e), space(p)) for p in guides) - squared(space(e), far)


def self_metric(batch: AttackBatch, i: int, as_unit: bool = True) -> Objective:
    if as_unit:
        return lambda e: 2 - 2 * F.cosine_similarity(e, batch.clean[i], dim=0)
    return lambda e: squared(e, batch.clean[i])


def opposite(batch: AttackBatch, i: int) -> Objective:
    return lambda e: -((e + batch.clean[i]) ** 2).sum()


def reference(
    encoder: nn.Module,
    batch: AttackBatch,
    objective: Callable[[AttackBatch, int], Objective],
    *,
    eps: float,
    alpha: float,
    steps: int,
    start: float = 0.0,
    momentum: float = 0.0,
    best: bool = True,
) -> np.ndarray:
    """Attack each image alone; eps and alpha in pixel units."""
    noise = uniform_noise(batch.seeds, tuple(batch.images.shape[1:])).numpy()
    results = []
    for i, image in enumerate(batch.images):
        clean = image.numpy()
        value_of = objective(batch, i)
        x = np.clip(clean + start * eps * noise[i], 0, 1)
        accumulated = np.zeros_like(x)
        seen = []
        for _ in range(steps):
            leaf = torch.tensor(x, requires_grad=True)
            value = value_of(encoder(leaf[None])[0])
            value.backward()  # type: ignore[no-untyped-call]
            assert leaf.grad is not None
            gradient = leaf.grad.numpy()
            seen.append((value.item(), x))
            accumulated = momentum * accumulated + gradient / np.mean(np.abs(gradient))
            x = x + alpha * np.sign(accumulated if momentum else gradient)
            x = clean + np.clip(x - clean, -eps, eps)
            x = np.clip(x, 0, 1)
        if best:
            seen.append((value_of(encoder(torch.tensor(x)[None])[0]).item(), x))
            x = max(seen, key=lambda pair: pair[0])[1]
        results.append(x)
    return np.stack(results)


CASES: list[tuple[str, dict[str, Any], Callable[..., Objective], dict[str, Any]]] = [
    ("metric-fgsm", {}, push, {"alpha": 8, "steps": 1, "best": False}),
    ("metric-ifgsm", {}, push, {"alpha": 1, "steps": 16}),
    ("metric-mifgsm", {}, push, {"alpha": 1, "steps": 16, "momentum": 1.0}),
    ("metric-pgd", {"steps": 5}, push_pull, {"alpha": 2, "steps": 5, "start": 1.0}),
    ("fna", {}, furthest_negative, {"alpha": 1, "steps": 16}),
    (
        "fna",
        {"unit": False, "steps": 4},
        lambda b, i: furthest_negative(b, i, as_unit=False),
        {"alpha": 1, "steps": 4},
    ),
    ("sma", {}, self_metric, {"alpha": 1, "steps": 16, "start": 1.0}),
    (
        "sma",
        {"unit": False, "steps": 4},
        lambda b, i: self_metric(b, i, as_unit=False),
        {"alpha": 1, "steps": 4, "start": 1.0},
    ),
    ("odfa", {}, opposite, {"alpha": 1, "steps": 16}),
]


@pytest.mark.parametrize(("name", "options", "objective", "budget"), CASES)
def test_attack_equals_the_reference(
    name: str, options: dict[str, Any], objective: Callable[..., Objective], budget: dict[str, Any]
) -> None:
    encoder, batch = tiny(double=True, size=(32, 16))
    attack = make_attack(name, 8.0, **options)
    ours = attack.run(encoder, batch).images.numpy()
    budget = {**budget, "alpha": budget["alpha"] / 255}
    theirs = reference(encoder, batch, objective, eps=8 / 255, **budget)
    assert np.mean(np.abs(ours - theirs) < 1e-9) > EQUAL_PIXELS
    assert not np.allclose(ours, batch.images.numpy())


def test_fna_pads_the_push_with_the_image_itself() -> None:
    encoder = tiny_encoder().double()
    images = image_set()
    uneven = images.subset([row for row in range(len(images)) if row not in (1, 2, 3)])
    batch = scene(encoder, uneven)
    attack = make_attack("fna", 8.0)
    assert isinstance(attack, IteratedAttack)
    state = attack.begin(batch)
    vectors = F.normalize(torch.randn(len(uneven), 32, dtype=torch.float64))
    values = attack.objective(vectors, state)
    for i in (0, 1):  # the first identity has one image left, the others four
        guides = [unit(p) for p in positives(batch, i, other_cameras=False)]
        guides += [unit(batch.clean[i])] * (4 - len(guides))
        far = farthest(batch, i)
        other = torch.randn(32, dtype=torch.float64)
        expected = sum(squared(vectors[i], p) - squared(other, p) for p in guides)
        expected = expected - squared(vectors[i], far) + squared(other, far)
        moved = vectors.clone()
        moved[i] = other
        found = values[i] - attack.objective(moved, state)[i]
        assert float(found) == pytest.approx(float(expected), abs=1e-9)


class TwoLogits(nn.Module):
    """Logits [J, 0] with label 1: their cross-entropy log(1 + exp J) rises with the objective."""

    def __init__(self, encoder: nn.Module, attack: IteratedAttack, batch: AttackBatch) -> None:
        super().__init__()
        self.encoder, self.attack, self.state = encoder, attack, attack.begin(batch)

    def forward(self, images: Tensor) -> Tensor:
        value = self.attack.objective(self.attack.vectors(self.encoder(images)), self.state)
        return torch.stack([value, torch.zeros_like(value)], 1)


@pytest.mark.parametrize(
    ("name", "options", "theirs"),
    [
        ("metric-fgsm", {}, lambda m: torchattacks.FGSM(m, eps=8 / 255)),
        (
            "metric-ifgsm",
            {"steps": 6, "best_iterate": False},
            lambda m: torchattacks.BIM(m, eps=8 / 255, alpha=1 / 255, steps=6),
        ),
        (
            "metric-mifgsm",
            {"steps": 6, "best_iterate": False, "alpha_255": 2.0},
            lambda m: torchattacks.MIFGSM(m, eps=8 / 255, alpha=2 / 255, steps=6, decay=1.0),
        ),
        (
            "metric-pgd",
            {"steps": 6, "best_iterate": False, "start": 0.0},
            lambda m: torchattacks.PGD(m, eps=8 / 255, alpha=2 / 255, steps=6, random_start=False),
        ),
    ],
)
def test_attack_equals_torchattacks(
    name: str, options: dict[str, Any], theirs: Callable[[nn.Module], Any]
) -> None:
    encoder, batch = tiny(double=True, size=(32, 16))
    attack = make_attack(name, 8.0, **options)
    assert isinstance(attack, IteratedAttack)
    model = TwoLogits(encoder, attack, batch).eval()
    expected = theirs(model)(batch.images, torch.ones(len(batch.images), dtype=torch.long))
    found = attack.run(encoder, batch).images
    assert float(((found - expected).abs() < 1e-7).double().mean()) > EQUAL_PIXELS


@pytest.mark.parametrize("sign", [False, True])
def test_random_noise_is_the_seeded_noise_of_the_whole_budget(sign: bool) -> None:
    encoder, batch = tiny(double=True, size=(32, 16))
    images = make_attack("random-noise", 8.0, sign=sign).run(encoder, batch).images
    noise = uniform_noise(batch.seeds, tuple(batch.images.shape[1:])).numpy()
    noise = np.sign(noise) if sign else noise
    expected = np.clip(batch.images.numpy() + 8 / 255 * noise, 0, 1)
    np.testing.assert_allclose(images.numpy(), expected, atol=1e-8)
