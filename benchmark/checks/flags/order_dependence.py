"""Order dependence.

Raised if: a batch in reversed order gives other embeddings, beyond rounding and beyond what two
    passes over one batch differ by.
Means: an image's embedding depends on its neighbours or its place.
Do: handle each image by itself; draw random numbers from the image, not from its place.
Seen: The bar is the same, 1e-3.
"""

from __future__ import annotations

from benchmark.checks.evidence import Evidence, Finding
from benchmark.checks.flags.batch_dependence import MAX_DIFFERENCE, RANDOM_FACTOR

ID = "order-dependence"


def check(evidence: Evidence) -> list[Finding]:
    """Return what this flag found."""
    if evidence.probe is None:
        return []
    seen = evidence.probe.consistency
    if seen.order_difference <= max(MAX_DIFFERENCE, RANDOM_FACTOR * seen.repeat_difference):
        return []
    return [Finding(ID, f"a batch and its reverse differ by {seen.order_difference:.2g}")]
