"""An unbounded attack fails.

Raised if: at eps = 255, where any image is allowed, metric PGD on the probe or the best iterated
    white-box attack of the record leaves a higher mAP than rankings in random order would have.
Means: nothing can be robust to that; the gradient does not lead anywhere.
Do: attack adaptively; do not report numbers of this attack.
"""

from __future__ import annotations

from benchmark.checks.evidence import Evidence, Finding
from benchmark.checks.probe import SWEPT

ID = "unbounded-attack-fails"
UNBOUNDED_255 = 255.0


def check(evidence: Evidence) -> list[Finding]:
    """Return what this flag found."""
    if evidence.probe is None:
        return []
    bar = evidence.probe.chance_map
    reached = {
        f"{SWEPT[0]} on the probe": one.map
        for one in evidence.probe.sweep
        if one.eps_255 == UNBOUNDED_255
    }
    free = [
        a
        for a in evidence.dodging
        if a.knowledge == "white" and not a.is_single_step and a.eps_255 == UNBOUNDED_255
    ]
    if free:
        best = min(free, key=lambda attack: attack.map)
        reached[best.key] = best.map
    return [
        Finding(ID, f"{who} leaves mAP {value:.1f} at eps = 255; chance is {bar:.1f}")
        for who, value in reached.items()
        if value > bar
    ]
