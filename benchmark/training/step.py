"""One training step as a defense sees it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import cast

import torch
from torch import Tensor, nn
from torch.func import functional_call

from benchmark.core.attack import Attack, AttackBatch
from benchmark.core.defense import Output
from benchmark.core.device import DevicePolicy
from benchmark.core.encoder import evaluating
from benchmark.core.errors import PluginError
from benchmark.core.guides import Guides
from benchmark.core.registry import ATTACKS
from benchmark.core.seeding import derive_seed
from benchmark.models.encoder import ReIDModel
from benchmark.training.config import TrainingConfig
from benchmark.training.losses import retrieval_loss, smoothed_targets

InnerAttacks = Callable[[str, Mapping[str, object]], Attack]


class Step:
    """One training step; implements `benchmark.core.defense.TrainingStep`."""

    def __init__(
        self,
        *,
        images: Tensor,
        pids: Tensor,
        camids: Tensor,
        identities: Tensor,
        model: ReIDModel,
        modules: Mapping[str, nn.Module],
        config: TrainingConfig,
        policy: DevicePolicy,
        fraction: float,
        learning_rate: float,
        seed: int,
        inner_attack: InnerAttacks,
    ) -> None:
        self.images, self.pids, self.camids = images, pids, camids
        self.model, self.modules = model, modules
        self.fraction, self.learning_rate, self.seed = fraction, learning_rate, seed
        self.num_classes = len(identities)
        self._identities = identities
        self._config, self._policy = config, policy
        self._inner_attack = inner_attack
        self._guides: list[tuple[Tensor, int, Guides]] = []
        self.labels = self.class_of(pids)

    def class_of(self, pids: Tensor) -> Tensor:
        """Return the class indices of (B,) identities."""
        return torch.searchsorted(self._identities, pids)

    def guides(self, images: Tensor) -> Guides:
        """Return the clean embeddings of this batch, in eval mode; computed once for a tensor.

        Raises:
            PluginError: `images` are not as many as the batch holds.
        """
        if len(images) != len(self.pids):
            raise PluginError(
                f"{len(images)} images were given for a batch of {len(self.pids)}",
                "give one image for each of the batch, in its order",
            )
        for known, version, guides in self._guides:
            if known is images and version == images._version:
                return guides
        with torch.no_grad(), evaluating(self.model.encoder):
            guides = Guides(self.model.encoder(images), self.pids, self.camids)
        self._guides.append((images, images._version, guides))
        return guides

    def attack(self, name: str, images: Tensor, **options: object) -> Tensor:
        """Craft adversarial images of this batch with the inner budget.

        The encoder is in eval mode, so batch statistics are neither used nor updated.

        Args:
            name: Registry name of the attack.
            images: (B, 3, H, W) clean images, in the order of the batch.
            options: Override options of the attack; ``eps_255`` overrides the budget.
        """
        guides = self.guides(images)
        rows = torch.arange(len(images), device=images.device)
        batch = AttackBatch(
            images=images,
            pids=self.pids,
            camids=self.camids,
            seeds=[derive_seed(self.seed, name, i) for i in range(len(images))],
            query_guides=guides,
            gallery_guides=guides,
            query_rows=rows,
            gallery_rows=rows,
            clean=guides.embeddings,
        )
        return self._inner_attack(name, options).run(self.model.encoder, batch).images

    def forward(self, images: Tensor, state: Mapping[str, Tensor] | None = None) -> Output:
        """Run the model in training mode, with `state` in place of its parameters and buffers."""
        with self._policy.training_precision():
            if state is None:
                return cast(Output, self.model(images))
            return cast(Output, functional_call(self.model, dict(state), (images,)))

    def output_loss(
        self, output: Output, labels: Tensor, soft_targets: Tensor | None = None
    ) -> Tensor:
        """Return identity loss + batch-hard triplet loss of an output."""
        config = self._config
        if soft_targets is None:
            kept = 1 - config.label_smoothing * (1 - 1 / self.num_classes)
            soft_targets = smoothed_targets(labels, self.num_classes, kept)
        return retrieval_loss(output, labels, soft_targets, config.triplet_margin)

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
            steps = cast(int, chosen.pop("steps", steps))
        budget = attack_class.inner_options(steps, inner.alpha_255)
        return attack_class(attack_class.parse_config({**budget, **chosen}), eps_255, owner)

    return build
