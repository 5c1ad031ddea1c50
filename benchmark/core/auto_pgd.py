"""Auto-PGD: sign steps with momentum whose size each image halves by itself.

Croce and Hein, "Reliable Evaluation of Adversarial Robustness with an Ensemble of Diverse
Parameter-free Attacks" (ICML 2020), algorithm 1. With the step size s, 2 eps at first:

    z = P(x_t + s * sign(g_t))
    x_{t+1} = P(x_t + m * (z - x_t) + (1 - m) * (x_t - x_{t-1})),  m = 0.75, and 1 in the first step

At a checkpoint an image halves its step and goes on from its best iterate if fewer than 75 % of
its steps since the last checkpoint raised the objective, or if since then neither its step size
nor its best objective has changed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from benchmark.core.attack_batch import AttackBatch
from benchmark.core.iterated_attack import BestIterate, IteratedAttack, IteratedConfig, Steps
from benchmark.core.seeding import derive_seed, uniform_noise

FIRST_INTERVAL = 22
SHORTER_BY = 3
SHORTEST_INTERVAL = 6
"""Steps between checkpoints, in percent of all steps (section 3.1 of the paper)."""

RISING_SHARE = 0.75
"""Share of steps that must raise the objective for the step size to stay."""


class AutoPGDConfig(IteratedConfig):
    """Options of an attack with the loop of Auto-PGD."""

    steps: Steps | None = 20
    alpha_255: float | None = Field(default=None, gt=0)
    """First step size in 1/255 units; None: twice the budget, as published."""
    momentum: float = Field(default=0.75, gt=0, le=1)
    """Weight of the new step; the last move has the rest."""
    restarts: int = Field(default=1, ge=1)
    """Runs from different random starts; each image keeps its best."""
    best_iterate: Literal[True] = True
    """The loop goes on from best iterates and returns the best of all."""

    @model_validator(mode="after")
    def _restarts_differ(self) -> Self:
        if self.restarts > 1 and not self.start:
            raise ValueError(f"restarts = {self.restarts} without a random start are all the same")
        return self


def checkpoints(steps: int) -> list[int]:
    """Return the steps at which step sizes are judged, ascending, in 1 … steps - 1."""
    chosen: list[int] = []
    percent, interval = FIRST_INTERVAL, FIRST_INTERVAL
    while (step := -(-percent * steps // 100)) < steps:
        chosen.append(step)
        interval = max(interval - SHORTER_BY, SHORTEST_INTERVAL)
        percent += interval
    return sorted(set(chosen))


class AutoPGD(IteratedAttack):
    """Base of attacks with the loop of Auto-PGD; an author writes `begin` and `objective`.

    A run costs `steps` forward and backward passes and one more forward pass for each restart.
    The trace is the mean over images of the best objective so far.
    """

    Config: ClassVar[type[AutoPGDConfig]] = AutoPGDConfig  # type: ignore[misc, assignment]
    config: AutoPGDConfig
    step_share: ClassVar[float] = 2.0

    @classmethod
    def inner_options(cls, steps: int, alpha_255: float) -> dict[str, object]:
        """Return the steps alone: the step size is its own affair."""
        return {"steps": steps}

    def perturb(self, encoder: nn.Module, batch: AttackBatch) -> Tensor:
        """Run the loop from each start and return the best iterate of each image."""
        if self.eps_255 == 0:
            return batch.images
        state = self.begin(batch)
        best, history = BestIterate(), list[Tensor]()
        for restart in range(self.config.restarts):
            climbed = self._climb(encoder, batch, state, self._first(batch, restart), history)
            best.update(climbed.images, climbed.values)
        if self.traced:
            self.trace = torch.stack(history).cummax(0).values.mean(1).tolist()
        return best.images

    def _first(self, batch: AttackBatch, restart: int) -> Tensor:
        clean, config = batch.images, self.config
        if not config.start:
            return clean
        seeds = [derive_seed(seed, restart) for seed in batch.seeds] if restart else batch.seeds
        noise = uniform_noise(seeds, tuple(clean.shape[1:]), clean.device).to(clean)
        return self.project(clean + config.start * self.radius * noise, clean)

    def _climb(
        self,
        encoder: nn.Module,
        batch: AttackBatch,
        state: object,
        images: Tensor,
        history: list[Tensor],
    ) -> _Point:
        """Return the best iterate of one run; append the (B,) objectives of each step."""
        steps = self.config.steps or self.default_steps()
        lower, upper = self.bounds(batch.images)
        judged = frozenset(checkpoints(steps))
        sizes = _StepSizes(images, self.step_size())
        before, best = images, None
        for step in range(steps):
            images = images.detach().requires_grad_(True)
            values = self.value(encoder, images, state, batch)
            (gradient,) = torch.autograd.grad(values.sum(), images)
            point = _Point(images.detach(), values.detach(), gradient)
            history.append(point.values)
            best = point if best is None else best.better(point)
            sizes.observe(point.values)
            if step in judged:
                point = point.where(sizes.judge(best.values), best)
            with torch.no_grad():
                weight = self.config.momentum if step else 1.0
                rise = point.gradient.sign().mul_(sizes.sizes)
                target = rise.add_(point.images).clamp_(lower, upper)
                images = torch.lerp(point.images, target, weight)
                images.add_(point.images - before, alpha=1 - weight).clamp_(lower, upper)
                before = point.images
        assert best is not None
        with torch.no_grad():
            values = self.value(encoder, images, state, batch)
        history.append(values)
        return best.better(_Point(images, values, best.gradient))


@dataclass(frozen=True)
class _Point:
    """An iterate of each image, with its objective (B,) and gradient."""

    images: Tensor
    values: Tensor
    gradient: Tensor

    def better(self, other: _Point) -> _Point:
        """Return the one with the higher objective for each image."""
        return self.where(other.values > self.values, other)

    def where(self, chosen: Tensor, other: _Point) -> _Point:
        """Return `other` for the images in the (B,) mask `chosen`."""
        wide = chosen[:, None, None, None]
        return _Point(
            torch.where(wide, other.images, self.images),
            torch.where(chosen, other.values, self.values),
            torch.where(wide, other.gradient, self.gradient),
        )


class _StepSizes:
    """Keeps the step size of each image and what its halving depends on.

    Attributes:
        sizes: (B, 1, 1, 1) in pixel units.
    """

    def __init__(self, images: Tensor, size: float) -> None:
        self.sizes = images.new_full((len(images), 1, 1, 1), size)
        self._rises = images.new_zeros(len(images))
        self._observed = 0
        self._last: Tensor | None = None
        self._best = images.new_zeros(0)
        self._halved = torch.zeros(len(images), dtype=torch.bool, device=images.device)

    def observe(self, values: Tensor) -> None:
        """Take the (B,) objectives of a step."""
        if self._last is None:
            self._best = values
        else:
            self._rises += values > self._last
            self._observed += 1
        self._last = values

    def judge(self, best: Tensor) -> Tensor:
        """Halve where it is due, and return where, (B,).

        Args:
            best: (B,) highest objectives so far.
        """
        wavering = self._rises < RISING_SHARE * self._observed
        stuck = ~self._halved & (best == self._best)
        self._halved = wavering | stuck
        self.sizes = torch.where(self._halved[:, None, None, None], self.sizes / 2, self.sizes)
        self._best, self._observed = best, 0
        self._rises = torch.zeros_like(self._rises)
        if self._last is not None:
            self._last = torch.where(self._halved, best, self._last)
        return self._halved
