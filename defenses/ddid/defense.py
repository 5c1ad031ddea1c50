"""DDID: the debiased dual-invariant defense (Zhou et al., AAAI 2026, arXiv 2511.09933).

Phase I balances the training split with a diffusion model. Phase II trains on it with
bi-adversarial self-meta learning: metric PGD with farthest negative extension softening, a feature
discriminator, and a meta step across identities. With all four parts off it is `metric-at`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, NamedTuple, TypedDict

import torch
from pydantic import Field
from torch import Tensor, nn

from benchmark.core.defense import FitTask, Output, Preparation, TrainingStep
from benchmark.core.image_set import concatenate
from benchmark.core.plugin import Card, PluginConfig
from benchmark.core.progress import Progress
from benchmark.core.seeding import derive_seed
from defenses.ddid.alternating import AlternatingDiscriminator
from defenses.ddid.balancing import BalancingConfig, balance, train_generator
from defenses.ddid.feature_discriminator import (
    FeatureDiscriminator,
    discriminator_loss,
    log_likelihood,
)
from defenses.ddid.fnes import FnesOptions, extended_and_softened
from defenses.ddid.self_meta import self_meta_loss, split_identities
from defenses.paired import PairedTraining

CLEAN_DEFENSE = "none"
"""Whose encoder judges synthetic images."""

BALANCING = "balancing"
"""Folder of the balancing, and name of what it does before there is a judge."""

State = Mapping[str, Tensor] | None


class AdversarialBatch(NamedTuple):
    """The adversarial side of a batch.

    Attributes:
        images: (B, 3, H, W) images to train on.
        targets: (B, C) their soft targets; None: the usual ones.
    """

    images: Tensor
    targets: Tensor | None


class PartsConfig(PluginConfig):
    """The four parts, which may be switched off one by one, and their options."""

    balancing: bool = True
    """Phase I: balance identities and cameras with a diffusion model."""
    fnes: bool = True
    """Extend and soften adversarial images toward the farthest negative identity."""
    discriminator: bool = True
    """Adversarial learning against a feature discriminator."""
    self_meta: bool = True
    """Self-meta learning across identities."""
    balancing_options: BalancingConfig = BalancingConfig()
    """Options of the data balancing."""
    fnes_options: FnesOptions = FnesOptions()
    """Options of FNES."""
    discriminator_weight: float = Field(default=0.01, ge=0)
    """Weight of the discriminator in the encoder's loss; chosen."""
    discriminator_hidden: int = Field(default=512, ge=1)
    """Width of the discriminator; chosen."""
    inner_rate_scale: float = Field(default=1.0, gt=0)
    """Inner step of self-meta learning as a multiple of the outer step size; chosen."""


class DDID(PairedTraining):
    """Debiased dual-invariant defense: balancing, FNES, discriminator, self-meta learning."""

    card = Card(
        title="Debiased dual-invariant defense",
        paper="Zhou et al., AAAI 2026, arXiv 2511.09933",
        references=("zhou2026", "karras2022"),
        claims="More robust than metric adversarial training, on seen and unseen identities.",
        notes="Most hyperparameters were not published; docs/ddid.md lists which and how they "
        "were chosen.",
    )
    trained_against: tuple[str, ...] = ("metric-pgd",)

    class Config(PartsConfig):
        """Options."""

        inner_objective: Literal["metric", "loss"] = "metric"
        """What the inner attack maximises: push and pull of metric PGD, toward the farthest
        identity, or the loss that trains the encoder, as in PGD-AT, which sees the classifier and
        the hardest pairs. The paper's L_metric was not recovered: chosen."""
        clean_share: float = Field(default=0.5, ge=0, le=1)
        """Weight of the clean images' loss; the adversarial images' has the rest: chosen."""
        discriminator_update: Literal["reversal", "alternating"] = "reversal"
        """Reversal: one backward pass and one optimiser serve both sides. Alternating: the
        discriminator takes a step of its own on fixed features before each step of the encoder.
        The objective of both is the published one; how it is reached is chosen."""
        second_order: bool = False
        """Differentiate through the inner step."""
        meta_adversarial: Literal["theta", "adapted"] = "theta"
        """Weights at which the meta-test half is attacked: the current ones, so that one attack
        serves both halves, or those after the inner step, which attacks twice; chosen."""

    config: Config

    def __init__(self, config: PluginConfig) -> None:
        super().__init__(config)
        if self.config.inner_objective == "loss":
            self.trained_against = ()

    def prerequisites(self) -> tuple[str, ...]:
        """Return the clean defense, whose encoder judges the synthetic images."""
        return (CLEAN_DEFENSE,) if self.config.balancing else ()

    def preliminaries(self) -> tuple[str, ...]:
        """Return the diffusion model's training, which needs no encoder."""
        has_model = self.config.balancing and self.config.balancing_options.source == "diffusion"
        return (BALANCING,) if has_model else ()

    def preliminary(self, name: str, task: FitTask) -> None:
        """Train the diffusion model."""
        train_generator(task.train, self.config.balancing_options, **_balancing_place(task))

    def prepare(self, task: FitTask) -> Preparation:
        """Return the training split, with synthetic images where it is unbalanced."""
        if not self.config.balancing:
            return Preparation(task.train)
        judge, options = task.encoder_of(CLEAN_DEFENSE), self.config.balancing_options
        synthetic, report = balance(task.train, judge, options, **_balancing_place(task))
        train = concatenate(task.train, synthetic) if len(synthetic) else task.train
        return Preparation(train, {"balancing": report.summary()})

    def extra_modules(self, embedding_dim: int) -> dict[str, nn.Module]:
        """Return the discriminator, if it is on."""
        if not self.config.discriminator:
            return {}
        alternating = self.config.discriminator_update == "alternating"
        build = AlternatingDiscriminator if alternating else FeatureDiscriminator
        return {"discriminator": build(embedding_dim, self.config.discriminator_hidden)}

    def training_step(self, step: TrainingStep) -> Tensor:
        """Return the loss of one batch, through the meta step if it is on."""
        at_theta = self._adversarial(step)
        self._teach_discriminator(step, at_theta.images)

        def loss_of(
            rows: Tensor | slice, adversarial: AdversarialBatch, state: State = None
        ) -> Tensor:
            labels = step.labels[rows]
            clean, attacked = self.forward_pair(step, adversarial.images, rows, state)
            soft = None if adversarial.targets is None else adversarial.targets[rows]
            share = self.config.clean_share
            loss = share * step.output_loss(clean, labels)
            loss = loss + (1 - share) * step.output_loss(attacked, labels, soft)
            return loss + self._discrimination(step, clean, attacked)

        if not self.config.self_meta:
            return loss_of(slice(None), at_theta)

        def half_loss(rows: Tensor, moved: State) -> Tensor:
            if moved is None:
                return loss_of(rows, at_theta)
            adversarial = at_theta
            if self.config.meta_adversarial == "adapted":
                with parameters_at(step.model, moved):
                    adversarial = self._adversarial(step, step.images.clone())
            return loss_of(rows, adversarial, {**buffers, **moved})

        buffers = _buffers(step)
        modules = step.modules.values()
        return self_meta_loss(
            half_loss,
            {n: p for n, p in step.model.named_parameters() if p.requires_grad},
            [p for module in modules for p in module.parameters() if p.requires_grad],
            split_identities(step.labels, derive_seed(step.seed, "halves")),
            inner_rate=self.config.inner_rate_scale * step.learning_rate,
            second_order=self.config.second_order,
        )

    def _adversarial(self, step: TrainingStep, images: Tensor | None = None) -> AdversarialBatch:
        """Attack the batch; `images` are its images if guides at other weights are wanted."""
        images = step.images if images is None else images
        adversarial = self._attack(step, images)
        if not self.config.fnes:
            return AdversarialBatch(adversarial, None)
        options = self.config.fnes_options
        return AdversarialBatch(*extended_and_softened(step, images, adversarial, options))

    def _attack(self, step: TrainingStep, images: Tensor) -> Tensor:
        """Return (B, 3, H, W) images that maximise the inner objective in the ball."""
        if self.config.inner_objective == "metric":
            return step.attack("metric-pgd", images)
        return step.ascend(lambda output: step.output_loss(output, step.labels), images)

    def _teach_discriminator(self, step: TrainingStep, adversarial: Tensor) -> None:
        """Let an alternating discriminator take its step, on features in training mode."""
        discriminator = step.modules.get("discriminator")
        if not isinstance(discriminator, AlternatingDiscriminator):
            return
        with torch.no_grad():
            # On copies of the buffers: this pass must not count in the batch statistics.
            state = {**dict(step.model.named_parameters()), **_buffers(step)}
            output = step.forward(torch.cat([step.images, adversarial]), state)
        clean, attacked = output.embeddings.float().chunk(2)
        discriminator.learn(clean, attacked, step.learning_rate)

    def _discrimination(
        self, step: TrainingStep, clean: Output, attacked: Output
    ) -> Tensor | float:
        if not self.config.discriminator:
            return 0.0
        discriminator, weight = step.modules["discriminator"], self.config.discriminator_weight
        if self.config.discriminator_update == "alternating":
            return weight * log_likelihood(discriminator, clean.embeddings, attacked.embeddings)
        return discriminator_loss(discriminator, clean.embeddings, attacked.embeddings, weight)


class _Place(TypedDict):
    seed: int
    device: torch.device
    autocast_dtype: torch.dtype | None
    progress: Progress
    work_dir: Path


def _balancing_place(task: FitTask) -> _Place:
    """Return what the balancing is given of a task besides its images."""
    return _Place(
        seed=derive_seed(task.seed, "balancing"),
        device=task.policy.device,
        autocast_dtype=task.policy.autocast_dtype,
        progress=task.progress,
        work_dir=task.work_dir / BALANCING,
    )


def _buffers(step: TrainingStep) -> dict[str, Tensor]:
    return {name: buffer.clone() for name, buffer in step.model.named_buffers()}


@contextmanager
def parameters_at(model: nn.Module, values: Mapping[str, Tensor]) -> Iterator[None]:
    """Run the body with other values in some of a model's parameters.

    The tensors themselves stay, and so do graphs that were built on them: only their data are
    exchanged, and come back before anything goes backward.
    """
    parameters = dict(model.named_parameters())
    kept = {name: parameters[name].data for name in values}
    try:
        for name, value in values.items():
            parameters[name].data = value.detach()
        yield
    finally:
        for name, data in kept.items():
            parameters[name].data = data
