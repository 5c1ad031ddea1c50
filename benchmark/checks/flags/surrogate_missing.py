"""Surrogate missing.

Raised if: the defense declares a part without a useful gradient and offers no surrogate.
Means: white-box attacks differentiate the encoder as it is, and need not find anything.
Do: return a differentiable stand-in from `Defense.surrogate`.
"""

from __future__ import annotations

from benchmark.checks.evidence import Evidence, Finding

ID = "surrogate-missing"


def check(evidence: Evidence) -> list[Finding]:
    """Return what this flag found."""
    if not evidence.defense.non_differentiable or evidence.has_surrogate:
        return []
    return [Finding(ID, "declared non-differentiable, and surrogate() returns None")]
