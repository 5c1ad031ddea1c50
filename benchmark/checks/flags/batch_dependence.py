"""Batch dependence.

Raised if: an image alone and the same image in a batch have other embeddings, beyond rounding and
    beyond what two passes over one batch differ by.
Means: results depend on the batch size, and an attacker's images leak into each other.
Do: use running statistics in eval mode; handle each image by itself.
Seen: Rounding alone makes 3e-7; the bar is 1e-3.
"""

from __future__ import annotations

from benchmark.checks.evidence import Evidence, Finding

ID = "batch-dependence"
MAX_DIFFERENCE = 1e-3
"""Of unit embeddings; batches of other sizes are added up in another order."""
RANDOM_FACTOR = 2.0
"""How much more than two passes over one batch may differ, for random encoders."""


def check(evidence: Evidence) -> list[Finding]:
    """Return what this flag found."""
    if evidence.probe is None:
        return []
    seen = evidence.probe.consistency
    if seen.batch_difference <= max(MAX_DIFFERENCE, RANDOM_FACTOR * seen.repeat_difference):
        return []
    return [Finding(ID, f"images alone and in a batch differ by {seen.batch_difference:.2g}")]
