"""What a step offers a defense beside the registry's attacks, and how passes are counted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from benchmark.core.defense import Defense, Output, TrainingStep
from benchmark.core.image_set import ImageSet
from benchmark.core.plugin import PluginConfig
from benchmark.core.progress import SilentProgress
from benchmark.training.inner import ascend
from benchmark.training.offline import attack_images
from defenses.none import NoDefense
from tests.tiny_scene import CPU, TRAINING, fit, guides_of, image_set, make_attack, tiny_encoder


class Linear(nn.Module):
    """A model whose only output is a weighted sum of the pixels."""

    def __init__(self, weights: Tensor) -> None:
        super().__init__()
        self.weights = weights

    def forward(self, images: Tensor) -> Output:
        total = (images * self.weights).flatten(1).sum(1, keepdim=True)
        return Output(total, total, total)


def test_ascent_of_a_linear_objective_ends_in_the_corner_of_the_ball() -> None:
    generator = torch.Generator().manual_seed(0)
    weights = torch.randn(3, 4, 2, generator=generator)
    clean = torch.rand(2, 3, 4, 2, generator=generator)
    radius = torch.tensor([8 / 255, 2 / 255])
    found = ascend(
        Linear(weights),
        lambda output: output.logits.squeeze(1),
        clean,
        noise=torch.zeros_like(clean),
        radius=radius,
        step_size=radius / 2,
        steps=3,
    )
    corner = (clean + radius[:, None, None, None] * weights.sign()).clamp(0, 1)
    torch.testing.assert_close(found, corner)


def test_the_start_is_projected() -> None:
    clean = torch.tensor([0.0, 1.0, 0.5]).view(1, 3, 1, 1)
    found = ascend(
        Linear(torch.zeros(3, 1, 1)),
        lambda output: output.logits.squeeze(1),
        clean,
        noise=torch.full_like(clean, 0.5),
        radius=0.1,
        step_size=0.1,
        steps=1,
    )
    torch.testing.assert_close(found.flatten(), torch.tensor([0.1, 1.0, 0.6]))


class Curious(NoDefense):
    """Uses everything once, and keeps what it saw."""

    name = "curious"

    def __init__(self, config: PluginConfig) -> None:
        super().__init__(config)
        self.steps: list[TrainingStep] = []

    def training_step(self, step: TrainingStep) -> Tensor:
        clean = step.guides(step.images)
        pushed = step.ascend(
            lambda output: (output.embeddings - clean.embeddings).square().sum(1), step.images
        )
        few = step.companions(2)
        guided = step.attack("metric-ifgsm", step.images, guides=few)
        own = step.attack("metric-ifgsm", step.images)
        if not self.steps:
            self.few, self.pushed, self.guided, self.own = few, pushed, guided, own
        self.steps.append(step)
        return step.retrieval_loss(step.images)


def test_a_step_ascends_inside_the_ball_and_draws_companions(tmp_path: Path) -> None:
    defense = Curious(PluginConfig())
    trained = fit(defense, tmp_path)
    first = defense.steps[0]
    limit = TRAINING.inner.eps_255 / 255 + 1e-6
    assert float((defense.pushed - first.images).abs().max()) <= limit
    assert not torch.equal(defense.pushed, first.images)
    wanted = np.repeat(np.unique(first.pids.numpy()), 2)
    np.testing.assert_array_equal(defense.few.pids.numpy(), wanted)
    assert not torch.equal(defense.guided, defense.own)
    batch, steps = len(first.images), len(defense.steps)
    inner = TRAINING.inner.steps
    assert trained.passes == {
        # guides, ascent, companions of half as many identities, and two attacks
        "inner_forward": steps * batch * (1 + 3 * inner + 1),
        "inner_backward": steps * batch * 3 * inner,
        "outer": steps * batch,
    }


class Replaying(NoDefense):
    """Sees each batch twice and trains twice as long."""

    name = "replaying"

    def __init__(self, config: PluginConfig) -> None:
        super().__init__(config)
        self.seen: list[Tensor] = []

    def epochs(self, planned: int, inner_steps: int) -> int:
        return 2 * planned

    def replays(self) -> int:
        return 2

    def training_step(self, step: TrainingStep) -> Tensor:
        self.seen.append(step.images.clone())
        return step.retrieval_loss(step.images)


def test_a_batch_is_replayed_within_its_epoch(tmp_path: Path) -> None:
    defense = Replaying(PluginConfig())
    trained = fit(defense, tmp_path)
    assert trained.epochs == 2 * TRAINING.epochs
    a_step, again, fresh, next_epoch = defense.seen[:4]  # three batches an epoch
    assert torch.equal(a_step, again)
    assert not torch.equal(again, fresh)
    assert not torch.equal(fresh, next_epoch)


def test_offline_copies_are_the_attack_on_the_whole_set_and_legal() -> None:
    images, encoder = image_set(size=(16, 8)), tiny_encoder()
    attack = make_attack("metric-ifgsm", steps=4)
    copies = attack_images(encoder, attack, images, policy=CPU, seed=0, progress=SilentProgress())
    found = copies.images
    assert (copies.forwards, copies.backwards) == ((1 + 5) * len(images), 4 * len(images))
    change = found.images.astype(int) - images.images.astype(int)
    assert 1 <= np.abs(change).max() <= 8
    np.testing.assert_array_equal(found.pids, images.pids)
    before, after = guides_of(encoder, images), guides_of(encoder, found)
    same = before.positive_mask(before.pids, before.camids)

    def distance(vectors: Tensor) -> float:
        return float((2 - 2 * vectors @ before.vectors(unit=True).T)[same].mean())

    assert distance(after.vectors(unit=True)) > distance(before.vectors(unit=True))


def test_identities_of_one_camera_guide_themselves() -> None:
    images, encoder = image_set(size=(16, 8)), tiny_encoder()
    shown = images.identities
    alone, single = images.pids == shown[0], np.flatnonzero(images.pids == shown[1])
    kept = np.setdiff1d(np.arange(len(images)), single[1:])  # one image of the second identity
    camids = np.where(alone, 1, images.camids)
    some = ImageSet(images.images, images.pids, camids, images.names).subset(kept)
    attack = make_attack("metric-ifgsm", steps=4)
    copies = attack_images(encoder, attack, some, policy=CPU, seed=0, progress=SilentProgress())
    changed = (copies.images.images != some.pixels(slice(None))).reshape(len(some), -1).any(1)
    np.testing.assert_array_equal(changed, some.pids != shown[1])


def test_defenses_train_as_planned_unless_they_say_otherwise() -> None:
    defense: Defense = NoDefense(PluginConfig())
    assert defense.epochs(18, 3) == 18
    assert defense.replays() == 1
