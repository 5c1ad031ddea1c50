"""FNES: farthest negative extension softening (Zhou et al., AAAI 2026, arXiv 2511.09933).

    x_ext = x + gamma (x' - x)
    x_adv = omega x + (1 - omega) x_ext = x + gamma (1 - omega) (x' - x),   omega ~ U(low, high)
    y_adv = omega phi(y, kept_clean) + (1 - omega) tau(phi(y, kept_extended), shift)

phi keeps a mass on the label and spreads the rest; tau moves `shift` from the label to the
farthest negative identity, toward which the inner attack pulled. The published text leaves open
whether lambda is the mass kept or taken; it is the mass kept here, as in AVmixup (Lee, CVPR 2020).
"""

from __future__ import annotations

import torch
from pydantic import Field, model_validator
from torch import Tensor

from benchmark.core.defense import TrainingStep
from benchmark.core.plugin import PluginConfig
from benchmark.core.seeding import derive_seed
from benchmark.training.losses import smoothed_targets


class FnesOptions(PluginConfig):
    """Strength of extension and softening; none was published, all are chosen (docs/ddid.md)."""

    gamma: float = Field(default=2.0, ge=1)
    """Extension of the perturbation; above 1 it may leave the ball, as intended."""
    omega_low: float = Field(default=0.0, ge=0, le=1)
    """Lower end of the mixing weight of the clean image."""
    omega_high: float = Field(default=0.5, ge=0, le=1)
    """Upper end; with gamma 2 the mean extension is 1.5 budgets."""
    kept_clean: float = Field(default=0.9, gt=0, le=1)
    """Mass that phi keeps on the label of the clean end (lambda 1)."""
    kept_extended: float = Field(default=0.9, gt=0, le=1)
    """Mass that phi keeps on the label of the extended end (lambda 2)."""
    shift: float = Field(default=0.05, ge=0, le=1)
    """Mass that tau moves to the farthest negative identity (upsilon)."""

    @model_validator(mode="after")
    def _consistent(self) -> FnesOptions:
        if self.omega_low > self.omega_high:
            raise ValueError("omega_low is above omega_high")
        if self.shift > self.kept_extended:
            raise ValueError("shift is more than the mass that kept_extended leaves on the label")
        return self


def mixing_weights(count: int, options: FnesOptions, seed: int) -> Tensor:
    """Return (count,) weights omega ~ U(omega_low, omega_high) on the CPU."""
    generator = torch.Generator().manual_seed(seed)
    span = options.omega_high - options.omega_low
    return options.omega_low + span * torch.rand(count, generator=generator)


def extend(images: Tensor, adversarial: Tensor, omega: Tensor, gamma: float) -> Tensor:
    """Return (B, 3, H, W) images mixed with the extended adversarial ones, clipped to [0, 1]."""
    scale = gamma * (1 - omega)[:, None, None, None]
    return (images + scale * (adversarial - images)).clamp_(0, 1)


def extended_and_softened(
    step: TrainingStep, images: Tensor, adversarial: Tensor, options: FnesOptions
) -> tuple[Tensor, Tensor]:
    """Return the extended (B, 3, H, W) adversarial images of a batch and their soft targets."""
    omega = mixing_weights(len(images), options, derive_seed(step.seed, "omega")).to(images.device)
    guides = step.guides(images)
    _, far = guides.farthest_negative(guides.vectors(unit=True), step.pids, unit=True)
    targets = soften(step.labels, step.class_of(far), omega, step.num_classes, options)
    return extend(images, adversarial, omega, options.gamma), targets


def soften(
    labels: Tensor, negatives: Tensor, omega: Tensor, num_classes: int, options: FnesOptions
) -> Tensor:
    """Return (B, C) targets, softened toward the farthest negative identity.

    Args:
        labels: (B,) classes.
        negatives: (B,) classes of the farthest negative identities.
        omega: (B,) mixing weights.
        num_classes: C.
        options: Masses.
    """
    clean = smoothed_targets(labels, num_classes, options.kept_clean)
    extended = smoothed_targets(labels, num_classes, options.kept_extended)
    move = torch.full_like(omega, options.shift)[:, None]
    extended = extended.scatter_add(1, labels[:, None], -move)
    extended = extended.scatter_add(1, negatives[:, None], move)
    weight = omega[:, None]
    return weight * clean + (1 - weight) * extended
