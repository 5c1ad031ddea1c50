"""UAP-AT: adversarial training on one perturbation for all images, at the cost of a standard one.

Liu et al., "Towards Robust Person Re-Identification via Efficient and Generalized Adversarial
Training" (ICIP 2024). The backward pass that trains the weights also moves the perturbation:

    min over theta of L(x'_i),   x'_i = clip(x_i + m_i delta, 0, 1),   m_i ~ Bernoulli(0.8)
    v <- mu v + g / mean|g|,  g = dL / d delta;   delta <- clip(delta + alpha sign(v), -eps, eps)

From time to time it restarts: delta ~ U(-eps, eps), v = 0.
"""

from __future__ import annotations

from typing import cast

import torch
from pydantic import Field
from torch import Tensor, nn

from benchmark.core.defense import Defense, TrainingStep
from benchmark.core.plugin import Card, PluginConfig
from benchmark.core.seeding import derive_seed, uniform_noise
from benchmark.training.carried import Carried

_TINY = 1e-30


class UAPAT(Defense):
    """Adversarial training on a universal perturbation that moves with the weights."""

    card = Card(
        title="Universal perturbation adversarial training",
        paper="Liu et al., ICIP 2024",
        references=("liu2024",),
        claims="Robust to several attacks at the cost of a standard training.",
        notes="Published: 8/255, steps of 1/255, momentum 1 on gradients over their mean "
        "magnitude, 80 % of the images perturbed, one restart an epoch, which is about 200 steps "
        "on Market-1501 in batches of 64. The gradient of the perturbation is taken in train mode, "
        "on the statistics of the batch, by construction. "
        "Chosen: the radius of the recipe; as many epochs as the passes of `metric-at` allow. "
        "What it sees is no attack of the registry: it ascends the training loss, `uap` does not.",
    )

    class Config(PluginConfig):
        """Options."""

        eps_255: float | None = Field(default=None, gt=0, le=255)
        """Radius in 1/255 units; unset: that of the recipe. 8 was published."""
        alpha_255: float = Field(default=1.0, gt=0)
        """Step size in 1/255 units; published."""
        momentum: float = Field(default=1.0, ge=0)
        """Decay of the accumulated gradient; published."""
        share: float = Field(default=0.8, gt=0, le=1)
        """Probability that an image is perturbed; published."""
        restart_steps: int = Field(default=200, ge=1)
        """Steps from a random restart to the next; about an epoch of Market-1501, as published."""
        equal_passes: bool = True
        """Train until as many images went through the model as in `metric-at`, not for the recipe's
        epochs alone; chosen."""

    config: Config

    def epochs(self, planned: int, inner_steps: int) -> int:
        """Return the epochs that cost as much as those of `metric-at`, or those of the recipe."""
        return planned * (inner_steps + 2) if self.config.equal_passes else planned

    def extra_modules(self, embedding_dim: int) -> dict[str, nn.Module]:
        """Return what carries the perturbation from step to step."""
        return {"perturbation": Carried()}

    def training_step(self, step: TrainingStep) -> Tensor:
        """Return the retrieval loss of the images, most of them with the perturbation."""
        config, carried = self.config, cast(Carried, step.modules["perturbation"])
        radius = (step.eps_255 if config.eps_255 is None else config.eps_255) / 255
        self._restart_if_due(carried, step, radius)
        delta, velocity = (carried.tensors[k].to(step.images.device) for k in ("delta", "velocity"))

        def move(gradient: Tensor) -> None:  # called by the backward pass of the loss
            scaled = gradient / gradient.abs().mean().clamp_min(_TINY)
            carried.tensors["velocity"] = scaled + config.momentum * velocity
            sign = carried.tensors["velocity"].sign()
            carried.tensors["delta"] = (delta + config.alpha_255 / 255 * sign).clamp(
                -radius, radius
            )

        leaf = delta.clone().requires_grad_(True)
        leaf.register_hook(move)  # type: ignore[no-untyped-call]
        chosen = self._mask(step)[:, None, None, None]
        return step.retrieval_loss((step.images + chosen * leaf).clamp(0, 1))

    def _mask(self, step: TrainingStep) -> Tensor:
        generator = torch.Generator().manual_seed(derive_seed(step.seed, "uap-at share"))
        draws = torch.rand(len(step.images), generator=generator)
        return (draws < self.config.share).to(step.images)

    def _restart_if_due(self, carried: Carried, step: TrainingStep, radius: float) -> None:
        age = int(carried.tensors.get("age", self.config.restart_steps))
        if age < self.config.restart_steps:
            carried.tensors["age"] = torch.tensor(age + 1)
            return
        seed = derive_seed(step.seed, "uap-at restart")
        delta = radius * uniform_noise([seed], tuple(step.images.shape[1:]))
        velocity = torch.zeros_like(delta)
        carried.tensors = {"age": torch.tensor(1), "delta": delta, "velocity": velocity}
