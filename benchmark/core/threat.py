"""The threat model: what an attacker may change, by how much, to what end, knowing what."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from benchmark.core.errors import UsageError

Side = Literal["query", "gallery", "both"]
Intent = Literal["dodge", "impersonate", "rank-down"]
Knowledge = Literal["none", "white", "transfer", "score", "decision"]


class ThreatModel(BaseModel):
    """One threat model; boards never mix two of them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    norm: Literal["linf"] = "linf"
    """Norm of the additive budget in pixel space."""
    side: Side = "query"
    """Which images are perturbed."""
    intent: Intent = "dodge"
    """Dodge: push the true matches down the ranking."""
    knowledge: Knowledge = "white"
    """What the attacker knows of the encoder; ``none`` is the random control."""


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
