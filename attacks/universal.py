"""Universal perturbations: one for all images, trained by sign steps with momentum.

    v_t = momentum * v_{t-1} + g_t / |g_t|,   delta_{t+1} = clip(delta_t - alpha * sign(v_t), eps)

g_t is the gradient of a batch's loss, |.| a norm of the author's choice.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from attacks.trained_first import TrainedConfig, TrainedFirst, TrainingBatch
from benchmark.core.attack import AttackTask
from benchmark.core.seeding import derive_seed, uniform_noise

TINY = 1e-30
"""Keeps a gradient of zeros from being divided by zero."""


class UniversalConfig(TrainedConfig):
    """Options of a universal perturbation."""

    alpha_255: float | None = Field(default=None, gt=0)
    """Step size in 1/255 units; None: the attack's own share of the budget."""
    momentum: float = Field(default=1.0, ge=0)
    """Decay of the accumulated gradient."""


class UniversalAttack(TrainedFirst):
    """Base of universal perturbations; an author writes `loss`.

    Attributes:
        step_share: Default step as a share of the budget.
        start: Size of the uniform start as a share of the budget.
    """

    Config: ClassVar[type[UniversalConfig]] = UniversalConfig
    config: UniversalConfig
    step_share: ClassVar[float]
    start: ClassVar[float]

    @abstractmethod
    def loss(self, images: Tensor, embeddings: Tensor, batch: TrainingBatch) -> Tensor:
        """Return what to minimise: a number.

        Args:
            images: (B, 3, H, W) perturbed images.
            embeddings: (B, D) their embeddings.
            batch: Identities and clean embeddings.
        """

    @abstractmethod
    def scaled(self, gradient: Tensor) -> Tensor:
        """Return a (3, H, W) gradient divided by its norm."""

    def renewed(self, delta: Tensor, epoch: int) -> Tensor:
        """Return the perturbation that an epoch starts from."""
        return delta

    def step_size(self) -> float:
        """Step size in pixel units."""
        stated = self.config.alpha_255
        return self.radius * self.step_share if stated is None else stated / 255

    def learner(self, task: AttackTask, clean: Tensor) -> UniversalLearner:
        """Return a perturbation at its start."""
        shape = tuple(task.train.tensor(slice(0, 1)).shape[1:])
        noise = uniform_noise([derive_seed(task.seed, "start")], shape)[0]
        delta = (self.start * self.radius * noise).to(task.policy.device)
        return UniversalLearner(self, task.encoder, delta)

    def attacked(self, images: Tensor, prepared: Mapping[str, Tensor]) -> Tensor:
        """Return the images plus the perturbation, in the pixel box."""
        return self.project(images + prepared["delta"], images)


class UniversalLearner:
    """A perturbation in training.

    Args:
        attack: Gives the loss.
        encoder: What it is trained against.
        delta: (3, H, W) where to start.
    """

    def __init__(self, attack: UniversalAttack, encoder: nn.Module, delta: Tensor) -> None:
        self._attack, self._encoder = attack, encoder
        self._delta, self._velocity = delta, torch.zeros_like(delta)

    def begin_epoch(self, epoch: int) -> None:
        """Let the attack renew the perturbation."""
        self._delta = self._attack.renewed(self._delta, epoch)

    def step(self, batch: TrainingBatch) -> float:
        """Take a sign step down the loss of a batch and return that loss."""
        attack = self._attack
        delta = self._delta.detach().requires_grad_(True)
        images = attack.project(batch.images + delta, batch.images)
        loss = attack.loss(images, self._encoder(images), batch)
        (gradient,) = torch.autograd.grad(loss, delta)
        self._velocity = attack.config.momentum * self._velocity + attack.scaled(gradient)
        moved = delta.detach() - attack.step_size() * self._velocity.sign()
        self._delta = moved.clamp(-attack.radius, attack.radius)
        return float(loss.detach())

    def result(self) -> dict[str, Tensor]:
        """Return the perturbation, ``delta`` (3, H, W)."""
        return {"delta": self._delta}

    def state_dict(self) -> dict[str, Any]:
        """Return the perturbation and the accumulated gradient."""
        return {"delta": self._delta, "velocity": self._velocity}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` returned."""
        self._delta = state["delta"].to(self._delta.device)
        self._velocity = state["velocity"].to(self._velocity.device)
