"""Optimises at inference.

Raised if: the defense declares that it optimises for each image, or the encoder turns gradients on
    while evaluation turns them off.
Means: attackers do not differentiate through the optimisation unless a surrogate does; and each
    image costs more.
Do: offer a surrogate that unrolls or skips it, declared with `non_differentiable=True`.
"""

from __future__ import annotations

from benchmark.checks.evidence import Evidence, Finding

ID = "optimises-at-inference"


def check(evidence: Evidence) -> list[Finding]:
    """Return what this flag found."""
    if evidence.defense.optimises_at_inference:
        return [Finding(ID, "the defense declares it")]
    if evidence.probe is not None and evidence.probe.consistency.enables_gradients:
        return [Finding(ID, "a pass turns gradients on; undeclared")]
    return []
