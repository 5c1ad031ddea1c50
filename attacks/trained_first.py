"""Attacks that are trained before they attack: batches, epochs, selection and resumption.

The epoch that counts is the one with the lowest mAP on held-out training identities, never on
test images: each held-out image attacks and ranks the others as they are, among the training
images.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn

from benchmark.core.attack import Attack, AttackTask
from benchmark.core.attack_batch import AttackBatch
from benchmark.core.epoch_checkpoint import load_epoch, save_epoch
from benchmark.core.errors import PluginError
from benchmark.core.image_set import ImageSet
from benchmark.core.plugin import PluginConfig
from benchmark.core.progress import Bar
from benchmark.core.seeding import derive_seed, seed_everything
from benchmark.core.surrogate import Surrogate
from benchmark.core.threat import ThreatModel
from benchmark.metrics.embedding import embed_images
from benchmark.metrics.ranking import rank_queries

BATCH = 64
"""Images at a time where nothing is learned."""

FORWARD_SHARE = 3
"""How much dearer a pass forward and backward is than one forward."""


class TrainedConfig(PluginConfig):
    """Options of an attack that is trained first."""

    on: Literal["target", "surrogate"] = "target"
    """What it is trained against: the target, or an undefended encoder in its stead."""
    epochs: int = Field(default=10, ge=1)
    """Passes over the training images, each of `epoch_steps` batches at least."""
    epoch_steps: int = Field(default=10, ge=1)
    """Batches of an epoch at least: a small training set is gone through more often. Chosen."""
    identities: int = Field(default=8, ge=2)
    """Identities in a batch; fewer where the training set has fewer."""
    images: int = Field(default=4, ge=2)
    """Images of each identity in a batch; fewer where an identity has fewer."""


@dataclass(frozen=True)
class TrainingBatch:
    """A batch of training images.

    Attributes:
        images: (B, 3, H, W) in [0, 1].
        pids: (B,) identities.
        clean: (B, D) clean embeddings of the images.
        seed: Seed of what is random in this step.
    """

    images: Tensor
    pids: Tensor
    clean: Tensor
    seed: int


class Learner(Protocol):
    """What is trained; how it goes on depends on its state and its batches alone."""

    def begin_epoch(self, epoch: int) -> None:
        """Do what an epoch starts with; the first is 0."""

    def step(self, batch: TrainingBatch) -> float:
        """Learn from a batch and return the loss."""

    def result(self) -> dict[str, Tensor]:
        """Return what `Attack.prepared` would be now; later steps do not change it."""

    def state_dict(self) -> dict[str, Any]:
        """Return all that later steps depend on."""

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` returned."""


@dataclass
class _Record:
    """The state at the end of an epoch."""

    epoch: int = 0
    learner: dict[str, Any] = field(default_factory=dict)
    lowest: float = float("inf")
    chosen: dict[str, Tensor] = field(default_factory=dict)


class TrainedFirst(Attack):
    """Base of attacks that are trained first; an author writes `learner` and `attacked`."""

    needs_preparation: ClassVar[bool] = True
    Config: ClassVar[type[TrainedConfig]] = TrainedConfig  # type: ignore[assignment]
    config: TrainedConfig

    @classmethod
    def threat_with(cls, config: PluginConfig) -> ThreatModel:
        """Return a transfer threat if it is trained on a surrogate, else a white-box one."""
        assert isinstance(config, TrainedConfig)
        knowledge = "transfer" if config.on == "surrogate" else "white"
        return cls.threat.model_copy(update={"knowledge": knowledge})

    @classmethod
    def surrogates(cls, config: PluginConfig) -> tuple[Surrogate, ...]:
        """Return an undefended encoder if it is trained on a surrogate, else nothing."""
        assert isinstance(config, TrainedConfig)
        return (Surrogate(),) if config.on == "surrogate" else ()

    def preparation_passes(self, images: int) -> float:
        """Return the images of all batches, if no identity has too few, and one clean pass."""
        config = self.config
        batch = config.identities * config.images
        steps = max(config.epoch_steps, images // batch)
        return config.epochs * steps * batch + images / FORWARD_SHARE

    @abstractmethod
    def learner(self, task: AttackTask, clean: Tensor) -> Learner:
        """Return what is trained; `clean` (N, D) are the embeddings of the training images."""

    @abstractmethod
    def attacked(self, images: Tensor, prepared: Mapping[str, Tensor]) -> Tensor:
        """Return adversarial (B, 3, H, W) images by means of what was learned."""

    def perturb(self, encoder: nn.Module, batch: AttackBatch) -> Tensor:
        """Apply what was learned; the encoder is not asked.

        Raises:
            PluginError: `prepared` is empty.
        """
        if self.eps_255 == 0:
            return batch.images
        if not self.prepared:
            raise PluginError(
                f"attack {self.name!r} has not been prepared", "set `prepared` to prepare(task)"
            )
        with torch.no_grad():
            return self.attacked(batch.images, self.prepared)

    def prepare(self, task: AttackTask) -> dict[str, Tensor]:
        """Train, and return the result of the epoch that is best on held-out identities."""
        if self.eps_255 == 0:
            return {}
        seed_everything(derive_seed(task.seed, "clean"))  # an encoder may be random
        clean = embed_images(
            task.encoder, task.train, policy=task.policy, batch=BATCH, owner=self.owner
        )
        learner = self.learner(task, clean)
        record = _Record(**(load_epoch(task.work_dir) or {}))
        if record.learner:
            learner.load_state_dict(record.learner)
        config, steps = self.config, len(self._batches(task.train, 0))
        with task.progress.task(f"preparing {self.name}", config.epochs * steps) as bar:
            bar.advance(record.epoch * steps)
            while record.epoch < config.epochs:
                seed = derive_seed(task.seed, "epoch", record.epoch)
                seed_everything(seed)
                learner.begin_epoch(record.epoch)
                self._epoch(task, learner, clean, seed, bar)
                self._choose(task, learner, clean, record)
                record.epoch += 1
                record.learner = learner.state_dict()
                save_epoch(task.work_dir, vars(record))
        return record.chosen

    def _epoch(
        self, task: AttackTask, learner: Learner, clean: Tensor, seed: int, bar: Bar
    ) -> None:
        device, train = task.policy.device, task.train
        for index, rows in enumerate(self._batches(train, seed)):
            batch = TrainingBatch(
                images=train.tensor(rows).to(device),
                pids=torch.from_numpy(train.pids[rows]).to(device),
                clean=clean[torch.from_numpy(rows)].to(device),
                seed=derive_seed(seed, "step", index),
            )
            bar.advance(1, f"loss {learner.step(batch):.2f}")

    def _batches(self, train: ImageSet, seed: int) -> list[NDArray[np.int64]]:
        config = self.config
        pk = config.identities, config.images
        return pk_batches(train.pids, train.people, *pk, seed, config.epoch_steps)

    def _choose(self, task: AttackTask, learner: Learner, clean: Tensor, record: _Record) -> None:
        """Keep the result if it is the best so far; the last one where none can be judged."""
        result = learner.result()
        attacked_map = self._held_out_map(task, result, clean)
        if attacked_map is None or attacked_map <= record.lowest:
            record.chosen = result
            record.lowest = record.lowest if attacked_map is None else attacked_map

    @torch.no_grad()
    def _held_out_map(
        self, task: AttackTask, result: Mapping[str, Tensor], clean: Tensor
    ) -> float | None:
        """Return the mAP of attacked held-out images in [0, 1]; None if none has a match.

        They rank the held-out and the training images, whose embeddings are `clean` (N, D).
        """
        images, train = task.held_out, task.train
        if len(images) == 0:
            return None
        attacked, ranked = [], []
        for start in range(0, len(images), BATCH):
            pixels = images.tensor(slice(start, start + BATCH)).to(task.policy.device)
            attacked.append(task.encoder(self.attacked(pixels, result)))
            ranked.append(task.encoder(pixels))
        gallery = torch.cat([*ranked, clean.to(ranked[0])]).cpu()
        ranking = rank_queries(
            torch.cat(attacked).cpu(),
            images.pids,
            images.camids,
            gallery,
            np.concatenate([images.pids, train.pids]),
            np.concatenate([images.camids, train.camids]),
            gallery_junk=np.concatenate([images.junk, train.junk]),
            gallery_distractor=np.concatenate([images.distractor, train.distractor]),
        )
        if not ranking.valid.any():
            return None
        return float(ranking.ap[ranking.valid].mean())


def pk_batches(
    pids: NDArray[np.int64],
    people: NDArray[np.bool_],
    identities: int,
    images: int,
    seed: int,
    least: int = 1,
) -> list[NDArray[np.int64]]:
    """Return the rows of the batches of an epoch, images of an identity side by side.

    No image is twice in a batch, and an epoch draws about as many images as there are, or more
    where these are fewer than `least` batches.

    Args:
        pids: (N,) identities.
        people: bool (N,), which images show one; the others are not drawn.
        identities: Identities in a batch, if there are so many.
        images: Images of each identity, if it has so many.
        seed: Decides the epoch.
        least: Batches at least.
    """
    rng = np.random.default_rng(seed)
    rows = [np.flatnonzero(people & (pids == pid)) for pid in np.unique(pids[people])]
    width = min(identities, len(rows))
    count = max(least, len(pids) // (width * images))
    order: list[NDArray[np.int64]] = []
    while len(order) < count:
        groups = len(rows) // width
        order += np.split(rng.permutation(len(rows))[: groups * width], groups)
    return [
        np.concatenate([rng.permutation(rows[one])[:images] for one in group])
        for group in order[:count]
    ]
