"""The threat model: what an attacker may change, by how much, to what end, knowing what."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from benchmark.core.errors import UsageError

Norm = Literal["linf", "color-lut"]

Side = Literal["query", "gallery", "both"]
Intent = Literal["dodge", "impersonate", "rank-down"]
TargetRule = Literal["random", "nearest", "farthest"]
Knowledge = Literal["none", "white", "transfer", "score", "decision"]

EOT_SAMPLES = 20
"""Draws that an attack on a random encoder averages over, unless it is told otherwise."""


class ThreatModel(BaseModel):
    """What an attack may change and what it knows; boards never mix two norms."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    norm: Norm = "linf"
    """What eps bounds: each pixel (``linf``), or each node of a colour table (``color-lut``)."""
    knowledge: Knowledge = "white"
    """What the attacker knows of the encoder; ``none`` is the random control."""


class Scenario(BaseModel):
    """Which images are perturbed, and to what end; boards never mix two scenarios."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    side: Side = "query"
    """Which images are perturbed: queries, gallery images of query identities, or both."""
    intent: Intent = "dodge"
    """Dodge: push the true matches down. Impersonate: pull the images of a target identity up.
    Rank-down: push those of a target identity down."""
    fraction: float = Field(default=1.0, gt=0, le=1)
    """Share of the gallery images of query identities that are perturbed."""
    target: TargetRule = "random"
    """Which other identity is the target, judged by the clean ranking."""

    @model_validator(mode="after")
    def _is_measurable(self) -> Self:
        if self.side != "query" and self.intent != "dodge":
            raise ValueError(f"intent {self.intent} needs side query")
        if self.side == "query" and self.fraction != 1:
            raise ValueError("a fraction is of the gallery: it needs side gallery or both")
        return self

    @property
    def is_default(self) -> bool:
        """Whether all queries dodge."""
        return self == Scenario()

    @property
    def is_drawn(self) -> bool:
        """Whether targets or perturbed gallery images are drawn by the attack seed."""
        return self.fraction < 1 or (self.intent != "dodge" and self.target == "random")


def check_eps_255(eps_255: float) -> float:
    """Return `eps_255` if it is a budget in 1/255 units.

    Raises:
        UsageError: It is negative, over 255 or not a number.
    """
    if not 0 <= eps_255 <= 255:
        raise UsageError(
            f"eps {eps_255:g} is not between 0 and 255", "budgets are in 1/255 units, such as 8"
        )
    return float(eps_255)
