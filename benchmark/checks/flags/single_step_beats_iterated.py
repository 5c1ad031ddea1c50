"""A single step beats iterated steps.

Raised if: of two attacks that climb the same objective at one budget, the one with a single step
    leaves a lower mAP than every one with several, by more than the margin; on the record, or
    between metric FGSM and metric I-FGSM on the probe.
Means: gradients are useful far from the image but not near it: they are masked there.
Do: try more steps, a random start and other step sizes; attack adaptively.
Seen: The margin is 1 point on the record, 2 on the probe. `metric-ifgsm` is below `metric-fgsm` by
    4.2 points on `metric-at` and by 3.9 on `none`; below 1/255 both round to the same images.
"""

from __future__ import annotations

from benchmark.checks.evidence import AttackEvidence, Evidence, Finding

ID = "single-step-beats-iterated"
MARGIN_MAP = 1.0
PROBE_MARGIN_MAP = 2.0
"""The probe has fewer queries."""


def check(evidence: Evidence) -> list[Finding]:
    """Return what this flag found."""
    found = []
    for single in evidence.dodging:
        rivals = [a for a in evidence.dodging if _is_iterated_form(a, single)]
        best = min(rivals, key=lambda attack: attack.map, default=None)
        if best is not None and single.map < best.map - MARGIN_MAP:
            message = f"{single.key} leaves mAP {single.map:.1f}, {best.key} {best.map:.1f}"
            found.append(Finding(ID, message))
    probe = evidence.probe
    if probe is None or probe.single_step_map is None or probe.iterated_map is None:
        return found
    if probe.single_step_map < probe.iterated_map - PROBE_MARGIN_MAP:
        message = (
            f"on {probe.queries} probed queries at {probe.eps_255:g}/255, metric FGSM leaves mAP "
            f"{probe.single_step_map:.1f}, metric I-FGSM {probe.iterated_map:.1f}"
        )
        found.append(Finding(ID, message))
    return found


def _is_iterated_form(attack: AttackEvidence, single: AttackEvidence) -> bool:
    same = attack.objective == single.objective and single.objective is not None
    rivals = (attack.norm, attack.eps_255, attack.knowledge)
    return (
        single.is_single_step
        and not attack.is_single_step
        and same
        and rivals == (single.norm, single.eps_255, single.knowledge)
    )
