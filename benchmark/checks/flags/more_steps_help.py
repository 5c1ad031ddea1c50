"""More steps help.

Raised if: metric I-FGSM of 50 steps leaves a lower mAP than metric I-FGSM of 10 on the probe, by
    more than the margin.
Means: the attacks of the grid stop before they are done; their numbers are upper bounds.
Do: give each attack more steps until its number stays (`--set attack.NAME.steps=100`).
Seen: The margin is 4 points. 50 steps take 0.1 off `none`, 0.7 to 1.9 off four adversarial
    trainings (`pgd-at`, `free-at`, `avmixup`, `act`), and 4.5 off a `uap-at` that restarted five
    times as often as now (8.4 to 3.9), which was flagged.
"""

from __future__ import annotations

from benchmark.checks.evidence import Evidence, Finding

ID = "more-steps-help"
MARGIN_MAP = 4.0


def check(evidence: Evidence) -> list[Finding]:
    """Return what this flag found."""
    probe = evidence.probe
    if probe is None or probe.iterated_map is None or probe.long_map is None:
        return []
    if probe.long_map >= probe.iterated_map - MARGIN_MAP:
        return []
    message = (
        f"on {probe.queries} probed queries at {probe.eps_255:g}/255, metric I-FGSM leaves mAP "
        f"{probe.iterated_map:.1f} after 10 steps, {probe.long_map:.1f} after 50"
    )
    return [Finding(ID, message)]
