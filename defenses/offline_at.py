"""Offline adversarial training: the training set is attacked once, and learned with its copies.

Bai et al., "Adversarial Metric Attack and Defense for Person Re-identification" (TPAMI 2020, arXiv
1901.10650); the `Adv_train` row of later papers:

    min over theta of E[L(x)] + E[L(x')],   x' = metric I-FGSM on x, once, on a clean encoder

The copies never see the encoder that learns from them, so they do not follow it as it changes:
a static training is weak against an attacker who does.
"""

from __future__ import annotations

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from benchmark.core.defense import Copies, Defense, FitTask, Preparation, TrainingStep
from benchmark.core.epoch_checkpoint import load_epoch, save_epoch
from benchmark.core.image_set import ImageSet, concatenate
from benchmark.core.plugin import Card, PluginConfig

CLEAN_DEFENSE = "none"
"""Whose encoder is attacked."""
ATTACK = "metric-ifgsm"
COPIES = "offline.pt"
"""File of the copies in the folder of the training: a killed one does not craft them again."""


class OfflineAT(Defense):
    """Offline adversarial training on metric I-FGSM copies, made once on a clean encoder."""

    card = Card(
        title="Offline adversarial training",
        paper="Bai et al., TPAMI 2020, arXiv 1901.10650",
        references=("bai2020",),
        claims="An encoder that learns adversarial copies of its training set preserves the "
        "metric under attack.",
        notes="Published: copies of the whole training set made once on a clean encoder by the "
        "metric attack, steps of 1/255; a new encoder learns them with their labels. Chosen: the "
        "radius of the recipe (5/255 in the paper), 16 steps, images of other cameras guide (of "
        "the same one where there is no other), clean and adversarial images are drawn from one "
        "pool, as many epochs as the passes of `metric-at` allow, those of crafting included.",
    )
    trained_against = (ATTACK,)

    class Config(PluginConfig):
        """Options."""

        steps: int = Field(default=16, ge=1)
        """Gradient steps of the attack on the training set; chosen, as in the evaluation."""
        alpha_255: float = Field(default=1.0, gt=0)
        """Step size of that attack in 1/255 units; published."""
        clean: bool = True
        """Learn the clean images, too; chosen."""
        equal_passes: bool = True
        """Train until as many images went through the model as in `metric-at`, not for the recipe's
        epochs alone; chosen."""

    config: Config

    def epochs(self, planned: int, inner_steps: int) -> int:
        """Return the epochs that cost as much as those of `metric-at`, or those of the recipe.

        Each step of crafting sends the training images through once, as an epoch does.
        """
        if not self.config.equal_passes:
            return planned
        return max(planned, planned * (inner_steps + 2) - self.config.steps)

    def prerequisites(self) -> tuple[str, ...]:
        """Return the clean defense, whose encoder is attacked."""
        return (CLEAN_DEFENSE,)

    def passes(self, inner_steps: int) -> float:
        """Return 1 of a long loop; crafting costs about as much as the recipe's epochs."""
        return 1 if self.config.equal_passes else 2

    def prepare(self, task: FitTask) -> Preparation:
        """Return the training split and its adversarial copies, or the copies alone."""
        copies = self._copies(task)
        images = copies.images
        change = np.abs(images.images.astype(np.int16) - task.train.pixels(slice(None)))
        report = {
            "images": len(images),
            "unchanged_images": int((change.reshape(len(images), -1).max(1) == 0).sum()),
            "steps": self.config.steps,
            "mean_change_255": float(change.mean()),
            "largest_change_255": int(change.max()),
        }
        train = concatenate(task.train, images) if self.config.clean else images
        return Preparation(train, {"offline": report}, copies.forwards, copies.backwards)

    def training_step(self, step: TrainingStep) -> Tensor:
        """Return the retrieval loss of the images, clean and adversarial as they are drawn."""
        return step.retrieval_loss(step.images)

    def _copies(self, task: FitTask) -> Copies:
        train, known = task.train, load_epoch(task.work_dir, COPIES)
        if known is not None:
            images = ImageSet(known["images"].numpy(), train.pids, train.camids, train.names)
            return Copies(images, known["forwards"], known["backwards"])
        copies = task.attacked_images(
            task.encoder_of(CLEAN_DEFENSE),
            train,
            ATTACK,
            steps=self.config.steps,
            alpha_255=self.config.alpha_255,
        )
        kept = {
            "images": torch.from_numpy(copies.images.images),
            "forwards": copies.forwards,
            "backwards": copies.backwards,
        }
        save_epoch(task.work_dir, kept, COPIES)
        return copies
