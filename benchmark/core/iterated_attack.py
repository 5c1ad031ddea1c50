"""Iterated sign-gradient attacks: the base class owns the loop, an author writes the objective.

    x_0 = P(x + u),  u ~ U(-start, start)
    m_t = momentum * m_{t-1} + g_t / mean|g_t|
    x_{t+1} = P(x_t + alpha * sign(m_t))

P projects onto the ball around the clean image and the pixel box.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from benchmark.core.attack import Attack
from benchmark.core.attack_batch import AttackBatch
from benchmark.core.plugin import PluginConfig
from benchmark.core.seeding import derive_seed, uniform_noise
from benchmark.core.threat import Intent

Steps = Annotated[int, Field(ge=1)]
"""Number of gradient steps."""

BudgetShare = Annotated[float, Field(ge=0, le=1)]
"""Share of the budget."""

Momentum = Annotated[float, Field(ge=0)]
"""Decay of an accumulated gradient."""


class IteratedConfig(PluginConfig):
    """Options of an iterated attack."""

    steps: Steps | None = None
    """Gradient steps; None: the attack's own rule."""
    alpha_255: float | None = Field(default=None, gt=0)
    """Step size in 1/255 units; None: the attack's own rule, a share of the budget."""
    start: BudgetShare = 0.0
    """Random start as a share of the budget; 0: start at the clean image."""
    momentum: Momentum = 0.0
    """Decay of the accumulated gradient."""
    best_iterate: bool = True
    """Return the iterate with the highest objective instead of the last one (one more forward)."""
    unit: bool = True
    """Work on unit embeddings, which the cosine ranking compares; False: raw embeddings."""


LOOP = ("perturb", "value", "vectors", "at_step", "smooth")
"""Methods of the loop that an author may replace."""


def kurakin_steps(eps_255: float) -> int:
    """Return floor(min(eps + 4, 1.25 eps)), at least 1 (Kurakin et al. 2017, as in Bai 2020)."""
    return max(1, math.floor(min(eps_255 + 4, 1.25 * eps_255)))


class IteratedAttack(Attack):
    """Base of iterated attacks; an author writes `objective`, and `begin` if it needs guides."""

    Config: ClassVar[type[IteratedConfig]] = IteratedConfig  # type: ignore[misc, assignment]
    config: IteratedConfig
    intents: ClassVar[frozenset[Intent]] = frozenset({"dodge", "impersonate", "rank-down"})
    """All, for an objective that is about `AttackBatch.pids`; the harness refuses others."""
    step_share: ClassVar[float] = 1 / 8
    """Default step as a share of the budget: 1/255 at 8/255, as published."""

    @classmethod
    def is_random(cls, config: PluginConfig) -> bool:
        """Return whether it starts at random or changes the loop, where it may draw.

        `begin` and `objective` draw nothing; an author whose do must say so here.
        """
        assert isinstance(config, IteratedConfig)
        changed = (getattr(cls, name) is not getattr(IteratedAttack, name) for name in LOOP)
        return config.start > 0 or any(changed)

    @classmethod
    def inner_options(cls, steps: int, alpha_255: float) -> dict[str, object]:
        """Return the budget as options; the last iterate is taken, which saves a forward pass."""
        return {"steps": steps, "alpha_255": alpha_255, "best_iterate": False}

    def default_steps(self) -> int:
        """Return the number of steps when the configuration leaves it open."""
        return kurakin_steps(self.eps_255)

    def expected_passes(self) -> float:
        """Return the steps, and one more pass for the best iterate."""
        return (self.config.steps or self.default_steps()) + 1

    def step_size(self) -> float:
        """Return the step in pixel units."""
        stated = self.config.alpha_255
        return self.radius * self.step_share if stated is None else stated / 255

    def begin(self, batch: AttackBatch) -> object:
        """Return what the objective needs and stays fixed: the (B, D) clean vectors by default."""
        return self.vectors(batch.clean)

    @abstractmethod
    def objective(self, vectors: Tensor, state: object) -> Tensor:
        """Return (B,) values to maximise.

        Args:
            vectors: (B, D) embeddings of the current images, unit if ``config.unit``.
            state: What `begin` returned.
        """

    def vectors(self, embeddings: Tensor) -> Tensor:
        """Return the embeddings in the space of the objective."""
        return F.normalize(embeddings) if self.config.unit else embeddings

    def value(
        self, encoder: nn.Module, images: Tensor, state: object, batch: AttackBatch
    ) -> Tensor:
        """Return (B,) values to maximise at (B, 3, H, W) images: the objective with its sign."""
        return batch.direction * self.objective(self.vectors(encoder(images)), state)

    def at_step(self, step: int, state: object, encoder: nn.Module, batch: AttackBatch) -> object:
        """Return the state of a step from what `begin` returned; if it varies, refuse a best."""
        return state

    def smooth(self, gradient: Tensor) -> Tensor:
        """Return the (B, 3, H, W) gradient that a step follows; unchanged by default."""
        return gradient

    def draws(self, batch: AttackBatch, step: int, count: int) -> Tensor:
        """Return (B, count) float64 numbers in [0, 1) from the seed of each image and the step."""
        seeds = [derive_seed(seed, step) for seed in batch.seeds]
        noise = uniform_noise(seeds, (count,), batch.images.device)
        return noise.double().add_(1).div_(2)

    def start_noise(self, batch: AttackBatch) -> Tensor:
        """Return (B, 3, H, W) noise in [-1, 1) of a random start, from the seed of each image."""
        images = batch.images
        return uniform_noise(batch.seeds, tuple(images.shape[1:]), images.device)

    def perturb(self, encoder: nn.Module, batch: AttackBatch) -> Tensor:
        """Run the loop and return the best iterate, or the last one if so configured."""
        config, clean = self.config, batch.images
        if self.eps_255 == 0:
            return clean
        steps = config.steps or self.default_steps()
        step_size, state = self.step_size(), self.begin(batch)
        images = clean
        if config.start:
            noise = self.start_noise(batch)
            images = self.project(clean + config.start * self.radius * noise, clean)
        lower, upper = self.bounds(clean)
        best = BestIterate() if config.best_iterate else None
        trace: list[Tensor] = []
        velocity: Tensor | None = None
        for step in range(steps):
            images = images.detach().requires_grad_(True)
            current = self.at_step(step, state, encoder, batch)
            values = self.value(encoder, images, current, batch)
            (gradient,) = torch.autograd.grad(values.sum(), images)
            with torch.no_grad():
                gradient = self.smooth(gradient)
                trace.append(values.detach().mean())
                if best is not None:
                    best.update(images.detach(), values.detach())
                if config.momentum:
                    scale = gradient.abs().mean((1, 2, 3), keepdim=True).clamp_min_(1e-30)
                    gradient = gradient / scale
                    if velocity is not None:
                        gradient.add_(velocity, alpha=config.momentum)
                    velocity = gradient
                images = torch.add(images, gradient.sign(), alpha=step_size).clamp_(lower, upper)
        if best is not None:
            with torch.no_grad():
                values = self.value(encoder, images, state, batch)
            best.update(images, values)
            trace.append(values.mean())
        if self.traced:
            self.trace = torch.stack(trace).tolist()  # at the end: each step would wait
        return images if best is None else best.images


class BestIterate:
    """Keeps, for each image, the iterate with the highest objective.

    Attributes:
        images: (B, 3, H, W) best images so far.
        values: (B,) their objectives.
    """

    def __init__(self) -> None:
        self.images = torch.empty(0)
        self.values = torch.empty(0)

    def update(self, images: Tensor, values: Tensor) -> None:
        """Take the images whose objective is at least as high as the best so far."""
        if self.values.numel() == 0:
            self.images, self.values = images, values
            return
        better = values >= self.values
        self.images = torch.where(better[:, None, None, None], images, self.images)
        self.values = torch.where(better, values, self.values)
