"""The loss does not increase.

Raised if: the objective of an iterated white-box attack ends no higher than it started, or far
    below its peak; or that of metric PGD on the probe hardly rises.
Means: steps do not climb: the gradient is useless, or the steps are too large.
Do: look at the gradients and at the step size.
Seen: Metric PGD gains 3.8 on `none` and 0.8 on `metric-at` at 8/255, 0.03 behind
    `broken-saturated`, nothing behind `broken-quantised`.
"""

from __future__ import annotations

from collections.abc import Sequence

from benchmark.checks.evidence import Evidence, Finding
from benchmark.checks.probe import SWEPT

ID = "loss-not-increasing"
MIN_GAIN = 1e-4
"""Objectives are squared distances of unit embeddings, 0 to 4, or larger; on a robust encoder `sma`
gains 2e-3 at 0.5/255."""
PROBE_MIN_GAIN = 0.05
"""Of metric PGD at 8/255; on encoders with useful gradients it gains 0.4 to 3.6."""
MAX_FALL = 0.5
"""Share of the gain that may be lost after the peak; a random objective goes up and down."""
MIN_STEPS = 3


def check(evidence: Evidence) -> list[Finding]:
    """Return what this flag found."""
    found = []
    for attack in evidence.white_box:
        problem = _problem(attack.trace, MIN_GAIN)
        if problem:
            found.append(Finding(ID, f"{attack.key}: {problem}", attack.key))
    if evidence.probe is None:
        return found
    for one in evidence.probe.sweep:
        problem = _problem(one.trace, PROBE_MIN_GAIN)
        if one.eps_255 == evidence.probe.eps_255 and problem:
            found.append(Finding(ID, f"{SWEPT[0]} on the probe: {problem}"))
    return found


def _problem(trace: Sequence[float], min_gain: float) -> str:
    if len(trace) < MIN_STEPS:
        return ""
    first, last, peak = trace[0], trace[-1], max(trace)
    told = f"the objective goes from {first:.4g} to {last:.4g} in {len(trace) - 1} steps"
    if last - first < min_gain:
        return f"{told}; at least {min_gain:g} more is expected"
    if peak - last > MAX_FALL * (peak - first):
        return f"{told}, after a peak of {peak:.4g}"
    return ""
