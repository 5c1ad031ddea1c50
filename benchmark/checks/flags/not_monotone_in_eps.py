"""Not monotone in eps.

Raised if: a larger budget leaves a higher mAP than a smaller one under the same attack, by more
    than the margin, and more than one and a half times that of rankings in random order; on the
    record, or under metric PGD on the probe. Random noise is left out.
Means: the attack does not use its budget; what looks like robustness is an attack that fails.
Do: look at its step size and number of steps at the larger budget, and at the gradients.
Seen: The margin is 2 points on the record, 3 on the probe. At chance nothing is left to take, and
    mAP goes up and down there.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

from benchmark.checks.evidence import Evidence, Finding
from benchmark.checks.flags.unbounded_attack_fails import MAX_OF_CHANCE
from benchmark.checks.probe import SWEPT

ID = "not-monotone-in-eps"
MARGIN_MAP = 2.0
PROBE_MARGIN_MAP = 3.0
"""The probe has fewer queries."""


def check(evidence: Evidence) -> list[Finding]:
    """Return what this flag found."""
    found = []
    chance = 0.0 if evidence.probe is None else evidence.probe.chance_map
    attacks = [a for a in evidence.dodging if a.knowledge != "none"]
    for name, norm in dict.fromkeys((a.name, a.norm) for a in attacks):
        swept = {a.eps_255: a for a in attacks if (a.name, a.norm) == (name, norm)}
        for low, high in _rises(((eps, a.map) for eps, a in swept.items()), MARGIN_MAP, chance):
            key = swept[high].key
            message = f"{key} leaves mAP {swept[high].map:.1f}, more than {swept[low].map:.1f} at "
            found.append(Finding(ID, f"{message}{low:g}/255", key))
    if evidence.probe is not None:
        sweep = {one.eps_255: one.map for one in evidence.probe.sweep}
        for low, high in _rises(sweep.items(), PROBE_MARGIN_MAP, chance):
            message = (
                f"on the probe, {SWEPT[0]} leaves mAP {sweep[high]:.1f} at {high:g}/255, more "
                f"than {sweep[low]:.1f} at {low:g}/255"
            )
            found.append(Finding(ID, message))
    return found


def _rises(
    maps: Iterable[tuple[float, float]], margin: float, chance: float
) -> list[tuple[float, float]]:
    """Return pairs of neighbouring budgets between which mAP rises by a margin, above chance."""
    return [
        (low[0], high[0])
        for low, high in pairwise(sorted(maps))
        if high[1] > max(low[1] + margin, MAX_OF_CHANCE * chance)
    ]
