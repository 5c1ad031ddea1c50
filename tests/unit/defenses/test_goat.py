from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from attacks.metric_gradient import MetricIFGSM
from attacks.metric_pgd import MetricPGD
from benchmark.core.attack_batch import AttackBatch
from benchmark.core.defense import TrainingStep
from benchmark.core.errors import UsageError
from benchmark.core.image_set import ImageSet
from benchmark.core.seeding import derive_seed, uniform_noise
from benchmark.data.held_out import split_held_out
from benchmark.training.config import AugmentConfig, InnerConfig
from benchmark.training.step import Step
from defenses.goat import GOAT
from tests.tiny_scene import TRAINING, fit, image_set, make_defense, same_weights

STEPS = 2
PLAIN = TRAINING.model_copy(
    update={"augment": AugmentConfig(flip=0, pad=0, erase=0), "inner": InnerConfig(steps=STEPS)}
)


class Watched(GOAT):
    """Keeps, of every step, what guided each image and what was learned."""

    name = "watched"

    def __init__(self, train: ImageSet, patch: pytest.MonkeyPatch, **options: Any) -> None:
        super().__init__(self.Config(**options))
        self.train = train
        self.guided: list[list[list[int]]] = []
        self.images: list[list[int]] = []
        self.learned: list[Tensor] = []
        self.expected: list[Tensor] = []
        attack = MetricPGD if self.config.pull else MetricIFGSM
        begin, real = attack.begin, Step.retrieval_loss

        def spy(attack: Any, batch: AttackBatch) -> Any:
            guides = batch.gallery_guides
            mask = guides.positive_mask(batch.pids, batch.camids, batch.gallery_rows)
            if len(self.guided) < len(self.images):  # not in validation
                self.note(guides.embeddings, mask)
            return begin(attack, batch)

        def learn(step: Step, images: Tensor) -> Tensor:
            self.learned.append(images)
            return real(step, images)

        patch.setattr(attack, "begin", spy)
        patch.setattr(Step, "retrieval_loss", learn)

    def training_step(self, step: TrainingStep) -> Tensor:
        pixels = step.images.mul(255).round().byte().permute(0, 2, 3, 1).numpy()
        everything = self.train.pixels(slice(None))
        self.images.append([int((everything == p).all((1, 2, 3)).argmax()) for p in pixels])
        encoder = copy.deepcopy(step.model.encoder).eval()
        with torch.no_grad():
            self.embeddings = encoder(self.train.tensor(slice(None)))
        loss = super().training_step(step)
        seen = (step.model.encoder.neck.num_batches_tracked, encoder.neck.num_batches_tracked)
        assert int(seen[0] - seen[1]) == 1  # crafting leaves batch statistics alone
        self.expected.append(self.by_hand(step, encoder))
        return loss

    def note(self, embeddings: Tensor, mask: Tensor) -> None:
        """Find the training image behind each guide."""
        distances = torch.cdist(embeddings, self.embeddings)
        assert float(distances.amin(1).max()) < 1e-3
        rows = distances.argmin(1)
        self.guided.append([rows[chosen].tolist() for chosen in mask])
        self.pool = rows.unique()

    def by_hand(self, step: TrainingStep, encoder: nn.Module) -> Tensor:
        """PGD with the published objective, one image after the other, summed over guides."""
        unit, pids = F.normalize(self.embeddings), torch.from_numpy(self.train.pids)
        name = "metric-pgd" if self.config.pull else "metric-ifgsm"
        found = []
        for i, (image, guides) in enumerate(zip(step.images, self.guided[-1], strict=True)):
            own = F.normalize(encoder(image[None]).detach())[0]
            means = {
                p: unit[self.pool[pids[self.pool] == p]].mean(0)
                for p in step.pids.unique().tolist()
            }
            others = [mean for p, mean in means.items() if p != int(step.pids[i])]
            far = max(others, key=lambda mean: float((mean - own).norm()))
            noise = uniform_noise([derive_seed(step.seed, name, i)], tuple(image.shape))[0]
            change = noise * 8 / 255
            for _ in range(STEPS):
                leaf = (image + change).clamp(0, 1).requires_grad_(True)
                vector = F.normalize(encoder(leaf[None]))[0]
                value = (vector - unit[guides]).square().sum()
                if self.config.pull:
                    value = value - (vector - far).square().sum()
                (gradient,) = torch.autograd.grad(value, leaf)
                moved = leaf.detach() + 2 / 255 * gradient.sign()
                change = (moved - image).clamp(-8 / 255, 8 / 255)
            found.append((image + change).clamp(0, 1))
        return torch.stack(found)


def watched(
    folder: Path, patch: pytest.MonkeyPatch, per_camera: int = 4, **options: Any
) -> tuple[Watched, ImageSet]:
    data = image_set(identities=8, size=(16, 8), per_camera=per_camera)
    train, _ = split_held_out(data, PLAIN.held_out)
    defense = Watched(train, patch, **options)
    training = PLAIN.model_copy(update={"epochs": 1})
    trained = fit(defense, folder, train=data, training=training)
    assert trained.passes["outer"] == trained.images  # adversarial images alone
    return defense, train


@pytest.mark.parametrize("pull", [False, True])
def test_images_are_attacked_as_published(
    pull: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    defense, _ = watched(tmp_path, monkeypatch, pull=pull)
    assert len(defense.learned) == len(defense.expected) > 3
    for learned, expected in zip(defense.learned, defense.expected, strict=True):
        # Where a gradient is zero but for rounding, its sign may be another.
        assert float(((learned - expected).abs() < 1e-6).float().mean()) > 0.99


@pytest.mark.parametrize(
    ("per_camera", "wanted"),
    [
        (4, {4}),  # enough images outside the batch
        (2, {3}),  # four images of an identity: all the others guide
        (3, {4, 5}),  # one of the batch is borrowed, and guides the others alone
        (1, {1}),
    ],
)
def test_guides_are_other_images_of_the_same_identity(
    per_camera: int, wanted: set[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    defense, train = watched(tmp_path, monkeypatch, per_camera)
    counts, cameras = set(), set()
    for images, guided in zip(defense.images, defense.guided, strict=True):
        for image, guides in zip(images, guided, strict=True):
            counts.add(len(guides))
            assert image not in guides
            assert len(set(guides)) == len(guides)
            assert set(train.pids[guides]) == {train.pids[image]}
            cameras.update((train.camids[guides] == train.camids[image]).tolist())
    assert counts <= wanted
    assert cameras == ({True, False} if per_camera > 1 else {False})


def test_guides_are_drawn_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    defense, _ = watched(tmp_path, monkeypatch)
    seen: dict[int, set[tuple[int, ...]]] = {}
    for images, guided in zip(defense.images, defense.guided, strict=True):
        for image, guides in zip(images, guided, strict=True):
            seen.setdefault(image, set()).add(tuple(sorted(guides)))
    assert np.mean([len(sets) for sets in seen.values()]) > 1.1


def test_options(tmp_path: Path) -> None:
    push, pull = make_defense("goat"), make_defense("goat", pull=True)
    assert push.trained_against == ("metric-ifgsm",)
    assert pull.trained_against == ("metric-pgd",)
    with pytest.raises(UsageError, match="guides"):
        make_defense("goat", guides=0)
    first = fit(push, tmp_path / "push").encoder
    assert not same_weights(first, fit(pull, tmp_path / "pull").encoder)
    stand_in = TRAINING.against("random-noise")  # takes none of the options
    assert not same_weights(first, fit(push, tmp_path / "other", training=stand_in).encoder)
