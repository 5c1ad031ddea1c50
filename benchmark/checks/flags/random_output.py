"""Random output.

Raised if: two passes over the same images give other embeddings and the defense does not declare
    that it is random.
Means: gradients are those of one draw; robustness may be noise in the attacker's eyes.
Do: declare `Adaptive(random=True)`, so that attacks average over draws (EOT), or seed the encoder.
Seen: Two passes over one batch differ by 0.11 behind `broken-random`, by 0 on `none` and
    `metric-at`. The bar is 1e-4.
"""

from __future__ import annotations

from benchmark.checks.evidence import Evidence, Finding

ID = "random-output"
MAX_DIFFERENCE = 1e-4
"""Of unit embeddings; devices that add in no fixed order stay well below."""


def check(evidence: Evidence) -> list[Finding]:
    """Return what this flag found."""
    if evidence.probe is None or evidence.defense.random:
        return []
    difference = evidence.probe.consistency.repeat_difference
    if difference <= MAX_DIFFERENCE:
        return []
    return [Finding(ID, f"two passes over the same images differ by {difference:.2g}; undeclared")]
