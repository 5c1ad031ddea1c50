"""Surrogates: encoders that the harness trains for attackers who do not see the target."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmark.core.errors import PluginError
from benchmark.core.training_seeds import SURROGATE_SEEDS

SurrogateData = Literal["same", "other"]


@dataclass(frozen=True)
class Surrogate:
    """A training that an attacker asks for.

    Attributes:
        defense: Registry name of what is trained, with default options.
        data: The target's training set, or the other data set of the run.
        member: Tells apart surrogates that differ in nothing but their seed; from 0.

    Raises:
        PluginError: There is no seed for such a member.
    """

    defense: str = "none"
    data: SurrogateData = "same"
    member: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.member < len(SURROGATE_SEEDS):
            raise PluginError(
                f"a surrogate is member {self.member} of its kind",
                f"number members from 0 to {len(SURROGATE_SEEDS) - 1}",
            )


class SurrogateEnsemble(nn.Module):
    """Several encoders as one, whose cosine similarity is the mean of theirs.

    Args:
        encoders: At least one.
    """

    def __init__(self, encoders: Sequence[nn.Module]) -> None:
        super().__init__()
        self.encoders = nn.ModuleList(encoders)

    def forward(self, images: Tensor) -> Tensor:
        """Return (B, D1 + D2 + ...) embeddings of (B, 3, H, W) images."""
        # Each has a copy: it may write on what it is given.
        return joined_embeddings([encoder(images.clone()) for encoder in self.encoders])


def joined_embeddings(embeddings: Sequence[Tensor]) -> Tensor:
    """Return unit embeddings of several encoders side by side, (B, D1 + D2 + ...)."""
    joined: Tensor = torch.cat([F.normalize(one) for one in embeddings], dim=1)
    scaled: Tensor = joined / len(embeddings) ** 0.5
    return scaled
