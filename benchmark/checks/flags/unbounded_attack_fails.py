"""An unbounded attack fails.

Raised if: at eps = 255, where any image is allowed, metric PGD on the probe or the best iterated
    white-box attack of the record leaves more than one and a half times the mAP of rankings in
    random order.
Means: nothing can be robust to that; the gradient does not lead anywhere.
Do: attack adaptively; do not report numbers of this attack.
Seen: Metric PGD leaves 0.4 on `none` and `metric-at` (chance: 1.2), and 72 to 79 behind
    `broken-saturated` and `broken-quantised` (chance: 7.1).
"""

from __future__ import annotations

from benchmark.checks.evidence import Evidence, Finding
from benchmark.checks.probe import SWEPT, UNBOUNDED_255

ID = "unbounded-attack-fails"
MAX_OF_CHANCE = 1.5
"""A few dozen rankings in random order differ by a third from what is expected of them."""


def check(evidence: Evidence) -> list[Finding]:
    """Return what this flag found."""
    if evidence.probe is None:
        return []
    chance = evidence.probe.chance_map
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
        Finding(ID, f"{who} leaves mAP {value:.1f} at eps = 255; chance is {chance:.1f}")
        for who, value in reached.items()
        if value > MAX_OF_CHANCE * chance
    ]
