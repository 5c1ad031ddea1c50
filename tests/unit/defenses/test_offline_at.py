from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from benchmark.core.defense import Copies, TrainingStep
from benchmark.core.image_set import ImageSet
from benchmark.data.held_out import split_held_out
from benchmark.training import fit as fitting
from benchmark.training.config import AugmentConfig
from defenses.offline_at import OfflineAT
from tests.kills import check_survives_a_kill
from tests.tiny_scene import (
    TRAINING,
    fit,
    image_set,
    make_defense,
    tiny_encoder,
)

PLAIN = TRAINING.model_copy(update={"augment": AugmentConfig(flip=0, pad=0, erase=0)})
SPLIT, _ = split_held_out(image_set(identities=8, size=(16, 8)), TRAINING.held_out)


class Watched(OfflineAT):
    """Keeps what it was given to learn."""

    name = "watched"

    def __init__(self, **options: Any) -> None:
        super().__init__(self.Config(**options))
        self.seen: list[tuple[Tensor, Tensor]] = []

    def training_step(self, step: TrainingStep) -> Tensor:
        self.seen.append((step.images.clone(), step.pids.clone()))
        return super().training_step(step)


@pytest.fixture
def crafted(monkeypatch: pytest.MonkeyPatch) -> list[ImageSet]:
    """Every set of copies that was made."""
    made: list[ImageSet] = []
    real = fitting.attack_images

    def spy(*arguments: Any, **options: Any) -> Copies:
        copies = real(*arguments, **options)
        made.append(copies.images)
        return copies

    monkeypatch.setattr(fitting, "attack_images", spy)
    return made


def by_hand(steps: int, alpha_255: float) -> np.ndarray:
    """Metric I-FGSM on the clean encoder, one image after the other."""
    encoder = tiny_encoder()
    clean = torch.from_numpy(SPLIT.pixels(slice(None))).permute(0, 3, 1, 2).float() / 255
    unit = F.normalize(encoder(clean)).detach()
    found = []
    for row, image in enumerate(clean):
        true = (SPLIT.pids == SPLIT.pids[row]) & (SPLIT.camids != SPLIT.camids[row])
        change = torch.zeros_like(image)
        for _ in range(steps):
            leaf = (image + change).clamp(0, 1).requires_grad_(True)
            distance = (F.normalize(encoder(leaf[None])) - unit[true]).square().sum(1).mean()
            (gradient,) = torch.autograd.grad(distance, leaf)
            moved = leaf.detach() + alpha_255 / 255 * gradient.sign()
            change = (moved - image).clamp(-8 / 255, 8 / 255)
        found.append((image + change).clamp(0, 1))
    return torch.stack(found).mul(255).round().byte().permute(0, 2, 3, 1).numpy()


def test_copies_are_metric_ifgsm_on_the_clean_encoder(
    tmp_path: Path, crafted: list[ImageSet]
) -> None:
    defense = make_defense("offline-at", steps=3, alpha_255=2.0, equal_passes=False)
    trained = fit(defense, tmp_path, training=PLAIN)
    (copies,) = crafted
    expected = by_hand(steps=3, alpha_255=2.0)
    assert float((copies.images == expected).mean()) > 0.999  # signs of zero gradients may differ
    assert float((SPLIT.pixels(slice(None)) == expected).mean()) < 0.1
    change = np.abs(copies.images.astype(int) - SPLIT.pixels(slice(None)))
    report: Any = trained.report["offline"]
    assert report["images"] == len(SPLIT) == 24
    assert report["unchanged_images"] == 0
    assert report["largest_change_255"] == change.max() == 6
    assert report["mean_change_255"] == pytest.approx(change.mean())


@pytest.mark.parametrize("clean", [True, False])
def test_the_copies_are_what_is_learned(
    clean: bool, tmp_path: Path, crafted: list[ImageSet]
) -> None:
    defense = Watched(clean=clean, equal_passes=False)
    trained = fit(defense, tmp_path, training=PLAIN)
    originals = {i.tobytes(): p for i, p in zip(SPLIT.pixels(slice(None)), SPLIT.pids, strict=True)}
    copies = {
        i.tobytes(): p for i, p in zip(crafted[0].images, crafted[0].pids.tolist(), strict=True)
    }
    assert not originals.keys() & copies.keys()
    drawn = {"clean": 0, "copy": 0}
    for images, pids in defense.seen:
        pixels = images.mul(255).round().byte().permute(0, 2, 3, 1).numpy()
        for image, pid in zip(pixels, pids.tolist(), strict=True):
            kind = "copy" if image.tobytes() in copies else "clean"
            drawn[kind] += 1
            assert {"copy": copies, "clean": originals}[kind][image.tobytes()] == pid
    assert sum(drawn.values()) == trained.images == 72  # as many as for every other defense
    assert drawn["clean"] == 0 if not clean else min(drawn.values()) > 18
    assert trained.passes == {
        "inner_forward": 24 + 16 * 24,  # guides, and 16 steps
        "inner_backward": 16 * 24,
        "outer": 72,
    }


def test_a_killed_training_ends_the_same_and_crafts_once(
    tmp_path: Path, crafted: list[ImageSet]
) -> None:
    options = {"steps": 2, "equal_passes": False}
    check_survives_a_kill(lambda: make_defense("offline-at", **options), tmp_path, 4)
    assert len(crafted) == 2  # of three trainings, one of which went on


def test_a_stand_in_takes_the_place_of_the_attack(tmp_path: Path, crafted: list[ImageSet]) -> None:
    for name, stand_in in (("plain", None), ("other", "metric-fgsm")):
        fit(make_defense("offline-at"), tmp_path / name, training=PLAIN.against(stand_in))
    change = [np.abs(c.images.astype(int) - SPLIT.pixels(slice(None))) for c in crafted]
    whole = (change[1] == 8) | (crafted[1].images == 0) | (crafted[1].images == 255)
    assert whole.mean() > 0.95  # a single step reaches the border, where there is a gradient
    assert (change[0] < 8).mean() > 0.2


def test_it_trains_on_the_passes_of_metric_at(tmp_path: Path) -> None:
    defense = make_defense("offline-at", steps=4)
    trained = fit(defense, tmp_path, training=PLAIN)
    assert trained.epochs == 3 * (TRAINING.inner.steps + 2) - 4 == 5
    outer, crafting = trained.passes["outer"], trained.passes["inner_backward"]
    assert outer + crafting == TRAINING.epochs * (TRAINING.inner.steps + 2) * len(SPLIT)
    assert make_defense("offline-at").epochs(18, 3) == 74
    assert make_defense("offline-at").epochs(2, 1) == 2
    assert make_defense("offline-at", equal_passes=False).epochs(18, 3) == 18
