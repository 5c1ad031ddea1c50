"""DDID: the debiased dual-invariant defense (Zhou et al., AAAI 2026, arXiv 2511.09933).

Phase I balances the training split with a diffusion model. Phase II trains on it with
bi-adversarial self-meta learning: metric PGD with farthest negative extension softening, a feature
discriminator, and a meta step across identities. With all four parts off it is `metric-at`.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from pydantic import Field
from torch import Tensor, nn

from benchmark.core.defense import Defense, FitTask, Output, Preparation, TrainingStep
from benchmark.core.plugin import Card, PluginConfig
from benchmark.core.seeding import derive_seed
from benchmark.data.records import concatenate
from defenses.ddid.balancing import BalancingConfig, balance
from defenses.ddid.discriminator import FeatureDiscriminator, discriminator_loss
from defenses.ddid.fnes import FnesOptions, extend, mixing_weights, soften
from defenses.ddid.self_meta import self_meta_loss, split_identities

CLEAN_DEFENSE = "none"
"""Whose encoder judges synthetic images."""


class DDID(Defense):
    """Debiased dual-invariant defense: balancing, FNES, discriminator, self-meta learning."""

    card = Card(
        title="Debiased dual-invariant defense",
        paper="Zhou et al., AAAI 2026, arXiv 2511.09933",
        claims="More robust than metric adversarial training, on seen and unseen identities.",
        notes="Most hyperparameters were not published; docs/ddid.md lists which and how they "
        "were chosen.",
    )
    trained_against = ("metric-pgd",)

    class Config(PluginConfig):
        """The four parts and their options."""

        balancing: bool = True
        """Phase I: balance identities and cameras with a diffusion model."""
        fnes: bool = True
        """Extend and soften the inner attack toward the farthest negative identity."""
        discriminator: bool = True
        """Adversarial learning against a feature discriminator."""
        self_meta: bool = True
        """Self-meta learning across identities."""
        balancing_options: BalancingConfig = BalancingConfig()
        """Options of the data balancing."""
        fnes_options: FnesOptions = FnesOptions()
        """Options of FNES."""
        discriminator_weight: float = Field(default=0.1, ge=0)
        """Weight of the discriminator in the encoder's loss; chosen."""
        discriminator_hidden: int = Field(default=512, ge=1)
        """Width of the discriminator; chosen."""
        inner_rate_scale: float = Field(default=1.0, gt=0)
        """Inner step of self-meta learning as a multiple of the outer step size; chosen."""
        second_order: bool = False
        """Differentiate through the inner step."""

    config: Config

    def prerequisites(self) -> tuple[str, ...]:
        """Return the clean defense, whose encoder judges the synthetic images."""
        return (CLEAN_DEFENSE,) if self.config.balancing else ()

    def prepare(self, task: FitTask) -> Preparation:
        """Return the training split, with synthetic images where it is unbalanced."""
        if not self.config.balancing:
            return Preparation(task.train)
        synthetic, report = balance(
            task.train,
            task.encoder_of(CLEAN_DEFENSE),
            self.config.balancing_options,
            seed=derive_seed(task.seed, "balancing"),
            device=task.policy.device,
            autocast_dtype=task.policy.autocast_dtype,
            progress=task.progress,
            work_dir=task.work_dir / "balancing",
        )
        train = concatenate(task.train, synthetic) if len(synthetic) else task.train
        return Preparation(train, {"balancing": report.summary()})

    def extra_modules(self, embedding_dim: int) -> dict[str, nn.Module]:
        """Return the discriminator, if it is on."""
        if not self.config.discriminator:
            return {}
        hidden = self.config.discriminator_hidden
        return {"discriminator": FeatureDiscriminator(embedding_dim, hidden)}

    def training_step(self, step: TrainingStep) -> Tensor:
        """Return the loss of one batch, through the meta step if it is on."""
        adversarial, targets = self._adversarial(step)

        def loss_of(rows: Tensor | slice, state: Mapping[str, Tensor] | None = None) -> Tensor:
            labels = step.labels[rows]
            output = step.forward(torch.cat([step.images[rows], adversarial[rows]]), state)
            clean = output.rows(slice(None, len(labels)))
            attacked = output.rows(slice(len(labels), None))
            soft = None if targets is None else targets[rows]
            loss = step.output_loss(clean, labels) + step.output_loss(attacked, labels, soft)
            return 0.5 * loss + self._discrimination(step, clean, attacked)

        if not self.config.self_meta:
            return loss_of(slice(None))
        adapted = {n: p for n, p in step.model.named_parameters() if p.requires_grad}
        buffers = {n: b.clone() for n, b in step.model.named_buffers()}
        return self_meta_loss(
            lambda rows, moved: loss_of(rows, moved and {**buffers, **moved}),
            adapted,
            [p for module in step.modules.values() for p in module.parameters()],
            split_identities(step.labels, derive_seed(step.seed, "halves")),
            inner_rate=self.config.inner_rate_scale * step.learning_rate,
            second_order=self.config.second_order,
        )

    def _adversarial(self, step: TrainingStep) -> tuple[Tensor, Tensor | None]:
        """Return the images to train on and their soft targets; None: the usual ones."""
        adversarial = step.attack("metric-pgd", step.images)
        if not self.config.fnes:
            return adversarial, None
        options = self.config.fnes_options
        omega = mixing_weights(len(step.images), options, derive_seed(step.seed, "omega"))
        omega = omega.to(step.images.device)
        guides = step.guides(step.images)
        _, far = guides.farthest_negative(guides.vectors(unit=True), step.pids, unit=True)
        targets = soften(step.labels, step.class_of(far), omega, step.num_classes, options)
        return extend(step.images, adversarial, omega, options.gamma), targets

    def _discrimination(
        self, step: TrainingStep, clean: Output, attacked: Output
    ) -> Tensor | float:
        if not self.config.discriminator:
            return 0.0
        return discriminator_loss(
            step.modules["discriminator"],
            clean.embeddings,
            attacked.embeddings,
            self.config.discriminator_weight,
        )
