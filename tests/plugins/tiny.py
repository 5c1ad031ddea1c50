"""A tiny data set, a defense and an attack for tests, registered as a stranger's file would.

TINY_PAUSE=train|attack makes the plugin wait there, after it has created the file TINY_MARKER,
so that a test can interrupt the run at that place.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import numpy as np
import torch

from benchmark import Attack, Dataset, Defense, register_attack, register_dataset, register_defense
from benchmark.core.errors import DataError
from benchmark.core.fingerprint import fingerprint
from benchmark.core.seeding import derive_seed


def pause(place: str) -> None:
    if os.environ.get("TINY_PAUSE") == place:
        Path(os.environ["TINY_MARKER"]).touch()
        time.sleep(120)


class Tiny(Dataset):
    """Coloured noise: two cameras, two or three images each; the colour is the identity."""

    train_ids = range(1, 13)
    test_ids = range(101, 107)

    def default_image_size(self):
        return 16, 8

    def names(self, split):
        ids = self.train_ids if split == "train" else self.test_ids
        frames = {"train": (1, 2, 3), "query": (1,), "gallery": (2, 3)}[split]
        return tuple(
            sorted(
                f"{pid:04d}_c{camid}s1_{frame:06d}_01.jpg"
                for pid in ids
                for camid in (1, 2)
                for frame in frames
            )
        )

    def files(self, split):
        raise NotImplementedError

    def _decoded(self, split):
        for name in self.names(split):
            colour = np.random.default_rng(int(name[:4])).integers(40, 216, (2, 1, 3))
            rows = np.repeat(colour, self.image_size[0] // 2, axis=0)
            noise = np.random.default_rng(derive_seed(self.name, name)).normal(
                0, 20, (*self.image_size, 3)
            )
            yield np.clip(rows + noise, 0, 255).astype(np.uint8)[None]

    def _compute_manifest(self):
        return fingerprint({"name": self.name, "version": 1})

    def _about(self):
        return {"title": "Tiny", "description": "Noise.", "not": "Real.", "licence": "none"}


@register_dataset("tiny")
class TinyPlain(Tiny):
    """The data set to train on."""

    name = "tiny"


@register_dataset("tiny-other")
class TinyOther(Tiny):
    """The data set to cross over to."""

    name = "tiny-other"
    test_ids = range(201, 207)


@register_defense("tiny-defense")
class TinyDefense(Defense):
    """Plain training."""

    class Config(Defense.Config):
        weight: float = 1.0
        """Weight of the loss."""

    def training_step(self, step):
        if step.fraction > 0.6:
            pause("train")
        return self.config.weight * step.retrieval_loss(step.images)


@register_defense("tiny-follower")
class TinyFollower(Defense):
    """Needs the encoder of another defense."""

    def prerequisites(self):
        return ("tiny-defense",)

    def fit(self, task):
        assert not task.encoder_of("tiny-defense").training
        return task.train_encoder(self)

    def training_step(self, step):
        return step.retrieval_loss(step.images)


@register_defense("tiny-broken")
class TinyBroken(Defense):
    """Breaks its contract in the way it is told to."""

    class Config(Defense.Config):
        how: str = "raise"

    def passes(self, inner_steps):
        return 1 / 0 if self.config.how == "passes" else 1

    def training_step(self, step):
        if self.config.how == "raise":
            raise KeyError("lost")
        if self.config.how == "leave":
            sys.exit(3)
        if self.config.how == "data":
            raise DataError("there are no pairs", "label some")
        if self.config.how == "usage":
            return step.attack("no-such-attack", step.images)
        if self.config.how == "nan":
            return step.retrieval_loss(step.images) * float("nan")
        return step.model.encoder(step.images)


@register_attack("tiny-attack")
class TinyAttack(Attack):
    """One random step of full size."""

    def perturb(self, encoder, batch):
        pause("attack")
        signs = torch.stack(
            [
                torch.rand(3, *batch.images.shape[2:], generator=torch.Generator().manual_seed(s))
                for s in batch.seeds
            ]
        )
        return self.project(
            batch.images + self.radius * (signs - 0.5).sign().to(batch.images.device), batch.images
        )


@register_attack("tiny-broken-attack")
class TinyBrokenAttack(Attack):
    """Leaves the ball."""

    def perturb(self, encoder, batch):
        return torch.ones_like(batch.images)
