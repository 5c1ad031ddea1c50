"""DDID on the perturbation of free adversarial training; this project's own combination.

What DDID publishes does not say how its inner attack is found. Here it costs no passes: as in
`free-at` (Shafahi et al., NeurIPS 2019) each batch is replayed, and the backward pass that trains
the weights moves a perturbation that is kept from step to step,

    x_adv = clip(x + gamma (1 - omega) (clip(x + delta, 0, 1) - x), 0, 1)
    delta <- clip(delta + eps sign(dL / dx_adv), -eps, eps)

Around it stand the parts of DDID (Zhou et al., AAAI 2026): balanced training data, extension and
softening toward the farthest negative identity, a feature discriminator and self-meta learning.
As in `free-at` no clean image trains the encoder; clean embeddings, in eval mode and without a
gradient, tell the farthest identity and are the discriminator's other side.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import torch
from pydantic import Field
from torch import Tensor, nn

from benchmark.core.defense import Defense, FitTask, Preparation, TrainingStep
from benchmark.core.plugin import Card, PluginConfig
from benchmark.core.seeding import derive_seed
from benchmark.training.carried import Carried
from defenses.ddid.defense import DDID, PartsConfig
from defenses.ddid.feature_discriminator import FeatureDiscriminator, discriminator_loss
from defenses.ddid.fnes import FnesOptions, extended_and_softened
from defenses.ddid.self_meta import self_meta_loss, split_identities


class FreeDDID(Defense):
    """The parts of DDID on a free perturbation, with updates in place of inner steps."""

    card = Card(
        title="DDID on free adversarial training",
        paper="This project's own; after Zhou et al., AAAI 2026, and Shafahi et al., NeurIPS 2019",
        references=("zhou2026", "shafahi2019"),
        claims="None: made to ask whether the parts of DDID help where updates take the place of "
        "inner steps. On the published board they add nothing to Free-AT (docs/results.md).",
        notes="Not the published DDID: it learns from adversarial images alone, and its inner "
        "attack is carried from step to step. Published by Free-AT: replays, steps of the whole "
        "radius. Chosen: gamma 1.33 over 2, by clean + worst case on held-out identities. "
        "Options of the parts are those of `ddid` (docs/ddid.md).",
    )

    class Config(PartsConfig):
        """The parts, their options, and the replays."""

        replays: int = Field(default=4, ge=1)
        """Steps in a row on the same batch; published by Free-AT."""
        fnes_options: FnesOptions = FnesOptions(gamma=1.33)
        """Options of FNES; with gamma 1.33 the mean extension is one budget."""

    config: Config

    def __init__(self, config: PluginConfig) -> None:
        super().__init__(config)
        balancing = {key: getattr(self.config, key) for key in ("balancing", "balancing_options")}
        self._phase_one = DDID(DDID.Config(**balancing))

    def epochs(self, planned: int, inner_steps: int) -> int:
        """Return the epochs in which as many images go backward as in those of `metric-at`.

        About a third more go forward than in `free-at`, since each clean image is embedded once.
        """
        return planned * (inner_steps + 2)

    def passes(self, inner_steps: int) -> float:
        """Return a pass both ways, and a third for the clean image that goes forward beside it."""
        return 4 / 3 if self.config.fnes or self.config.discriminator else 1

    def replays(self) -> int:
        """Return how many steps in a row see the same batch."""
        return self.config.replays

    def preliminaries(self) -> tuple[str, ...]:
        """Return what phase I does before there is a judge."""
        return self._phase_one.preliminaries()

    def preliminary(self, name: str, task: FitTask) -> None:
        """Do it."""
        self._phase_one.preliminary(name, task)

    def prerequisites(self) -> tuple[str, ...]:
        """Return what judges synthetic images."""
        return self._phase_one.prerequisites()

    def prepare(self, task: FitTask) -> Preparation:
        """Return the training split, with synthetic images where it is unbalanced."""
        return self._phase_one.prepare(task)

    def extra_modules(self, embedding_dim: int) -> dict[str, nn.Module]:
        """Return what carries the perturbation, and the discriminator if it is on."""
        modules: dict[str, nn.Module] = {"perturbation": Carried()}
        if self.config.discriminator:
            hidden = self.config.discriminator_hidden
            modules["discriminator"] = FeatureDiscriminator(embedding_dim, hidden)
        return modules

    def training_step(self, step: TrainingStep) -> Tensor:
        """Return the loss of the perturbed images, through the meta step if it is on."""
        images, targets = self._perturbed(step)

        def loss_of(rows: Tensor | slice, state: Mapping[str, Tensor] | None) -> Tensor:
            output = step.forward(images[rows], state)
            soft = None if targets is None else targets[rows]
            loss = step.output_loss(output, step.labels[rows], soft)
            if not self.config.discriminator:
                return loss
            clean = step.guides(step.images).embeddings[rows]
            discriminator, weight = step.modules["discriminator"], self.config.discriminator_weight
            return loss + discriminator_loss(discriminator, clean, output.embeddings, weight)

        if not self.config.self_meta:
            return loss_of(slice(None), None)
        buffers = {name: buffer.clone() for name, buffer in step.model.named_buffers()}
        return self_meta_loss(
            lambda rows, moved: loss_of(rows, None if moved is None else {**buffers, **moved}),
            {n: p for n, p in step.model.named_parameters() if p.requires_grad},
            [*(p for module in step.modules.values() for p in module.parameters()), images],
            split_identities(step.labels, derive_seed(step.seed, "halves")),
            inner_rate=self.config.inner_rate_scale * step.learning_rate,
            second_order=False,
        )

    def _perturbed(self, step: TrainingStep) -> tuple[Tensor, Tensor | None]:
        """Return (B, 3, H, W) images whose gradient moves the perturbation, and their targets."""
        carried, radius = cast(Carried, step.modules["perturbation"]), step.eps_255 / 255
        delta = carried.tensors.get("delta", torch.zeros_like(step.images)).to(step.images.device)
        images, targets = (step.images + delta).clamp(0, 1), None
        if self.config.fnes:
            options = self.config.fnes_options
            images, targets = extended_and_softened(step, step.images, images, options)

        def move(gradient: Tensor) -> None:  # called last by the backward pass of the loss
            moved = delta + radius * gradient.sign()
            carried.tensors["delta"] = moved.clamp(-radius, radius)

        images.requires_grad_(True).register_hook(move)  # type: ignore[no-untyped-call]
        return images, targets
