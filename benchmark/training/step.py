"""One training step as a defense sees it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.func import functional_call

from benchmark.core.attack import Attack, InnerRun
from benchmark.core.attack_batch import AttackBatch
from benchmark.core.defense import Output
from benchmark.core.device import DevicePolicy
from benchmark.core.encoder import evaluating
from benchmark.core.errors import PluginError
from benchmark.core.guides import Companions, Guides
from benchmark.core.image_set import ImageSet
from benchmark.core.late_checks import LateChecks
from benchmark.core.registry import ATTACKS
from benchmark.core.seeding import derive_seed, uniform_noise
from benchmark.core.to_device import to_device
from benchmark.models.encoder import ReIDModel
from benchmark.training.config import TrainingConfig
from benchmark.training.inner import Objective, ascend, by_image, in_precision
from benchmark.training.losses import identity_loss, retrieval_loss, smoothed_targets
from benchmark.training.model_calls import ModelCalls
from benchmark.training.precision import inner_dtype
from benchmark.training.ranks import ONE_RANK, Ranks
from benchmark.training.recomputed import recomputed

InnerAttacks = Callable[[str, Mapping[str, object]], Attack]


@dataclass
class Passes:
    """Images that went through the model in a training, besides validation.

    Attributes:
        inner_forward: Forward, to craft perturbations and guides.
        inner_backward: Backward, to craft perturbations.
        outer: Forward and backward, for the loss.
    """

    inner_forward: int = 0
    inner_backward: int = 0
    outer: int = 0


@dataclass
class Step:
    """One training step; implements `benchmark.core.defense.TrainingStep`."""

    images: Tensor
    pids: Tensor
    camids: Tensor
    rows: NDArray[np.int64]
    identities: Tensor
    model: ReIDModel
    modules: Mapping[str, nn.Module]
    config: TrainingConfig
    policy: DevicePolicy
    fraction: float
    epoch: float
    learning_rate: float
    seed: int
    inner_attack: InnerAttacks
    train: ImageSet
    passes: Passes
    checks: LateChecks
    calls: ModelCalls
    ranks: Ranks = ONE_RANK

    def __post_init__(self) -> None:
        inner = self.config.inner
        self.eps_255, self.alpha_255 = inner.eps_255, inner.alpha_255
        self.num_classes = len(self.identities)
        self.labels = self.class_of(self.pids)
        self._inner_dtype = inner_dtype(inner)
        self._guides: list[tuple[Tensor, int, Guides]] = []

    def class_of(self, pids: Tensor) -> Tensor:
        """Return the class indices of (B,) identities."""
        return torch.searchsorted(self.identities, pids)

    def guides(self, images: Tensor) -> Guides:
        """Return the clean embeddings of this batch."""
        if len(images) != len(self.pids):
            raise PluginError(
                f"{len(images)} images were given for a batch of {len(self.pids)}",
                "give one image for each of the batch, in its order",
            )
        for known, version, guides in self._guides:
            if known is images and version == images._version:
                return guides
        known = self._on_device(np.unique(self.train.pids[self.rows]))
        guides = Guides(self._embedded(images), self.pids, self.camids, known=known)
        self._guides.append((images, images._version, guides))
        return guides

    def companions(self, count: int) -> Companions:
        """Return clean embeddings of `count` more images of each of the batch's identities."""
        rng = np.random.default_rng(derive_seed(self.seed, "companions"))
        drawn, identities = [], np.unique(self.train.pids[self.rows])
        for pid in identities:
            own = rng.permutation(np.flatnonzero(self.train.pids == pid))
            is_here = np.isin(own, self.rows)
            few = int((~is_here).sum()) < count
            drawn.append(np.concatenate([own[~is_here], own[is_here]])[: count + few])
        chosen = np.concatenate(drawn)
        place = {row: i for i, row in enumerate(chosen.tolist())}
        among = np.array([place.get(row, -1) for row in self.rows.tolist()])
        return Companions(
            self._embedded(to_device(self.train.tensor(chosen), self.policy.device)),
            self._on_device(self.train.pids[chosen]),
            self._on_device(self.train.camids[chosen]),
            self._on_device(among),
            known=self._on_device(identities),
        )

    def attack(
        self, name: str, images: Tensor, *, guides: Guides | None = None, **options: object
    ) -> Tensor:
        """Craft adversarial images of this batch with the inner budget."""
        own = self.guides(images)
        rows = torch.arange(len(images), device=images.device)
        guide_rows = rows if guides is None else torch.full_like(rows, -1)
        if isinstance(guides, Companions):
            guide_rows = guides.rows
        guides = guides or own
        batch = AttackBatch(
            images=images,
            pids=self.pids,
            camids=self.camids,
            seeds=[derive_seed(self.seed, name, i) for i in range(len(images))],
            query_guides=guides,
            gallery_guides=guides,
            query_rows=guide_rows,
            gallery_rows=guide_rows,
            clean=own.embeddings,
        )
        if self.ranks.size > 1:  # an attack treats each image as if it were alone
            batch = batch.rows(rows[self.ranks.share(len(rows))])
        inner = InnerRun(self.checks, self._inner_dtype)
        outcome = self.inner_attack(name, options).run(self.calls.encoder, batch, inner)
        self.passes.inner_forward += self.ranks.total(outcome.forwards)
        self.passes.inner_backward += self.ranks.total(outcome.backwards)
        return self.ranks.gather(outcome.images, len(images))

    def ascend(
        self,
        objective: Objective,
        images: Tensor,
        *,
        start: float = 1.0,
        noise: Tensor | None = None,
        eps_255: float | Tensor | None = None,
        alpha_255: float | Tensor | None = None,
        steps: int | None = None,
    ) -> Tensor:
        """Craft adversarial images with an objective on all that the model returns."""
        inner = self.config.inner
        steps = inner.steps if steps is None else steps
        radius = (inner.eps_255 if eps_255 is None else eps_255) / 255
        if noise is None:
            seeds = [derive_seed(self.seed, "ascend", i) for i in range(len(images))]
            noise = start * uniform_noise(seeds, tuple(images.shape[1:]), images.device)
            noise = noise * by_image(radius)
        self.passes.inner_forward += steps * len(images)
        self.passes.inner_backward += steps * len(images)
        step_size = (inner.alpha_255 if alpha_255 is None else alpha_255) / 255
        own = self.ranks.share(len(images))
        crafted = ascend(
            self.ranks.gathering(self.calls.model, len(images)),
            objective,
            images[own],
            noise=noise[own],
            radius=radius[own] if isinstance(radius, Tensor) else radius,
            step_size=step_size[own] if isinstance(step_size, Tensor) else step_size,
            steps=steps,
            autocast=self._inner_dtype,
        )
        return self.ranks.gather(crafted, len(images))

    def outputs(self, images: Tensor) -> Output:
        """Return what the model gives for images in eval mode, without a gradient."""
        self.passes.inner_forward += len(images)
        with torch.no_grad(), evaluating(self.model):
            model = partial(in_precision, self.calls.model, autocast=self._inner_dtype)
            return self.ranks.run(model, images)

    def forward(self, images: Tensor, state: Mapping[str, Tensor] | None = None) -> Output:
        """Run the model in training mode, with `state` in place of its parameters and buffers."""
        self.passes.outer += len(images)
        state = self.ranks.parameters_of(self.model, state)

        def call(rows: Tensor) -> Output:
            if self.config.checkpointing and torch.is_grad_enabled():
                return recomputed(self.model, rows, state or {})
            if state is None:
                return cast(Output, self.calls.model(rows))
            return cast(Output, functional_call(self.model, dict(state), (rows,)))

        with self.policy.training_precision():
            return self.ranks.run(call, images)

    def output_loss(
        self, output: Output, labels: Tensor, soft_targets: Tensor | None = None
    ) -> Tensor:
        """Return identity loss + batch-hard triplet loss of an output."""
        if soft_targets is None:
            soft_targets = self._targets(labels)
        return retrieval_loss(output, labels, soft_targets, self.config.triplet_margin)

    def identity_loss(self, output: Output, labels: Tensor) -> Tensor:
        """Return the label-smoothed identity loss alone of an output."""
        return identity_loss(output.logits, self._targets(labels))

    def _embedded(self, images: Tensor) -> Tensor:
        """Return the embeddings that guide, without a gradient, in the precision of the attack."""
        self.passes.inner_forward += len(images)
        encoder, dtype = self.calls.encoder, self._inner_dtype
        with torch.no_grad(), evaluating(encoder):
            if dtype is None:
                return cast(Tensor, self.ranks.run(encoder, images))
            with torch.autocast(images.device.type, dtype=dtype):
                return cast(Tensor, self.ranks.run(encoder, images)).float()

    def _on_device(self, values: NDArray[np.int64]) -> Tensor:
        return to_device(torch.from_numpy(values), self.policy.device)

    def _targets(self, labels: Tensor) -> Tensor:
        kept = 1 - self.config.label_smoothing * (1 - 1 / self.num_classes)
        return smoothed_targets(labels, self.num_classes, kept)

    def retrieval_loss(self, images: Tensor) -> Tensor:
        """Return the loss of (B, 3, H, W) images of this batch."""
        return self.output_loss(self.forward(images), self.labels)


def inner_attacks(config: TrainingConfig, owner: str) -> InnerAttacks:
    """Return a factory of attacks with the inner budget of a training.

    If the budget names a stand-in, it is built whatever attack is asked for; of the options it
    takes the number of steps, if it has one.
    """
    inner = config.inner

    def build(name: str, options: Mapping[str, object]) -> Attack:
        attack_class = cast(type[Attack], ATTACKS.get(inner.attack or name))
        chosen, steps = dict(options), inner.steps
        eps_255 = cast(float, chosen.pop("eps_255", inner.eps_255))
        if inner.attack is not None:
            steps, chosen = cast(int, chosen.get("steps", steps)), {}
        budget = attack_class.inner_options(steps, inner.alpha_255)
        return attack_class(attack_class.parse_config({**budget, **chosen}), eps_255, owner)

    return build
