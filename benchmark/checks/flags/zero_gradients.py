"""Zero or vanishing gradients.

Raised if: what white-box attacks differentiate has no gradient, or one that vanishes, at more than
    a tenth of the probed images.
Means: attacks that follow gradients stand still; their numbers say nothing about robustness.
Do: declare `Adaptive(non_differentiable=True)` and offer a surrogate; trust black-box attacks only.
Seen: All of the images behind `broken-quantised`, 95 % behind `broken-saturated`, none on `none`
    and `metric-at`.
"""

from __future__ import annotations

from benchmark.checks.evidence import Evidence, Finding
from benchmark.checks.gradients import VANISHING

ID = "zero-gradients"
MAX_SHARE = 0.1
"""Of the probed images."""


def check(evidence: Evidence) -> list[Finding]:
    """Return what this flag found."""
    if evidence.probe is None:
        return []
    seen = evidence.probe.view_gradients
    if seen.vanishing_images <= MAX_SHARE:
        return []
    message = (
        f"the gradient is zero at {seen.zero_images:.0%} of {evidence.probe.queries} images and "
        f"below {VANISHING:g} at {seen.vanishing_images:.0%}"
    )
    return [Finding(ID, message)]
