"""Attacks that see nothing but answers: the budget and the curve of mAP over answers spent."""

from __future__ import annotations

from abc import abstractmethod
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from benchmark.core.attack import Attack
from benchmark.core.attack_batch import AttackBatch
from benchmark.core.plugin import PluginConfig

Answers = Annotated[int, Field(ge=1)]
"""Answers for each image."""


class BlackBoxConfig(PluginConfig):
    """Options of a black-box attack."""

    queries: Answers = 1000
    """Answers that each image is given; the attack never stops early."""


class BlackBoxAttack(Attack):
    """Base of black-box attacks; an author writes `search`."""

    Config: ClassVar[type[BlackBoxConfig]] = BlackBoxConfig  # type: ignore[assignment]
    config: BlackBoxConfig

    def expected_passes(self) -> float:
        """Return a third of the answers: an answer takes no backward pass."""
        return self.config.queries / 3

    @abstractmethod
    def search(self, oracle: nn.Module, batch: AttackBatch) -> Tensor:
        """Return adversarial images (B, 3, H, W); `keep` what there is along the way.

        Args:
            oracle: A `ScoreOracle` or a `DecisionOracle`.
            batch: The images.
        """

    @torch.no_grad()
    def perturb(self, encoder: nn.Module, batch: AttackBatch) -> Tensor:
        """Search; without a budget nothing is asked."""
        if self.eps_255 == 0:
            return batch.images
        return self.search(encoder, batch)

    def schedule(self) -> list[int]:
        """Return after how many answers images are kept: 10, 20, 50, 100, ... and the last one."""
        last = self.config.queries
        decades = range(1, len(str(last)))
        marks = {first * 10**decade for decade in decades for first in (1, 2, 5)}
        return sorted({mark for mark in marks if mark < last} | {last})

    def keep(self, images: Tensor, spent: int, step: int = 1) -> None:
        """Keep `images` for those marks of the schedule that come before the next step ends.

        Args:
            images: (B, 3, H, W) what the attack would return now.
            spent: Answers that each image has had.
            step: Answers that each image will have before there is something better.
        """
        for mark in self.schedule():
            if spent <= mark < spent + step:
                self.snapshot(images, mark)
