"""Free adversarial training: one backward pass moves both the weights and the perturbation.

Shafahi et al., "Adversarial Training for Free!" (NeurIPS 2019). Each batch is replayed m times; the
perturbation is kept from step to step, and from one batch to the next:

    min over theta of L(x'),   x' = clip(x + delta, 0, 1)
    delta <- clip(delta + eps sign(dL / dx'), -eps, eps)

The weights that the gradient of the perturbation belongs to are those before their own step.
"""

from __future__ import annotations

from typing import cast

import torch
from pydantic import Field
from torch import Tensor, nn

from benchmark.core.defense import Defense, TrainingStep
from benchmark.core.plugin import Card, PluginConfig
from benchmark.training.carried import Carried


class FreeAT(Defense):
    """Free adversarial training: replayed batches, a perturbation from the weights' own pass."""

    card = Card(
        title="Free adversarial training",
        paper="Shafahi et al., NeurIPS 2019, arXiv 1904.12843",
        references=("shafahi2019",),
        claims="As robust as PGD training of classifiers at nearly the cost of a standard one.",
        notes="Published: m replays of a batch (4 here, as on ImageNet there; 8 on CIFAR), 8/255, "
        "steps of the whole radius, adversarial images alone, epochs over m. The gradient of the "
        "perturbation is taken in train mode, on the statistics of the batch, by construction. "
        "Chosen: the retrieval loss, the radius of the recipe, as many epochs as the passes of "
        "`metric-at` allow; an epoch has as many steps as any other, on a quarter of the batches.",
    )

    class Config(PluginConfig):
        """Options."""

        replays: int = Field(default=4, ge=1)
        """Steps in a row on the same batch."""
        eps_255: float | None = Field(default=None, gt=0, le=255)
        """Radius in 1/255 units; unset: that of the recipe. 8 was published."""
        alpha_255: float | None = Field(default=None, gt=0)
        """Step size in 1/255 units; unset: the radius, as published."""
        equal_passes: bool = True
        """Train until as many images went through the model as in `metric-at`, not for the recipe's
        epochs alone; chosen."""

    config: Config

    def epochs(self, planned: int, inner_steps: int) -> int:
        """Return the epochs that cost as much as those of `metric-at`, or those of the recipe."""
        return planned * (inner_steps + 2) if self.config.equal_passes else planned

    def replays(self) -> int:
        """Return how many steps in a row see the same batch."""
        return self.config.replays

    def extra_modules(self, embedding_dim: int) -> dict[str, nn.Module]:
        """Return what carries the perturbation from step to step."""
        return {"perturbation": Carried()}

    def training_step(self, step: TrainingStep) -> Tensor:
        """Return the retrieval loss of the perturbed images."""
        config, carried = self.config, cast(Carried, step.modules["perturbation"])
        eps_255 = step.eps_255 if config.eps_255 is None else config.eps_255
        alpha = (eps_255 if config.alpha_255 is None else config.alpha_255) / 255
        delta = carried.tensors.get("delta", torch.zeros_like(step.images)).to(step.images.device)

        def move(gradient: Tensor) -> None:  # called by the backward pass of the loss
            moved = delta + alpha * gradient.sign()
            carried.tensors["delta"] = moved.clamp(-eps_255 / 255, eps_255 / 255)

        images = (step.images + delta).clamp(0, 1).requires_grad_(True)
        images.register_hook(move)  # type: ignore[no-untyped-call]
        return step.retrieval_loss(images)
