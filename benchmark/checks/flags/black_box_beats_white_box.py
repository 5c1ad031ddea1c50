"""A black box beats the white box.

Raised if: at one budget, noise or an attack that sees only scores or decisions leaves a lower mAP
    than every white-box attack, by more than the margin; on the record, or on the probe.
Means: the gradient is masked; or the run has only white-box attacks that know no labels, such as
    `sma` and `odfa`, which are weaker where an encoder is robust.
Do: add `metric-ifgsm`; if the flag stays, attack adaptively (declare what the encoder does, offer
    a surrogate) and report the black box.
Seen: The margin is 2 points of mAP on the record, 3 on the probe. Where the gradient is masked the
    gap is 20 to 60 points. On `metric-at`, `sma` leaves 41.3 and `metric-ifgsm` 19.7: a black box
    in between raises the flag in a run with `sma` alone, although nothing is masked.
"""

from __future__ import annotations

from benchmark.checks.evidence import Evidence, Finding, weaker_beats_white_box
from benchmark.checks.probe import BLACK_BOX
from benchmark.core.threat import Knowledge

ID = "black-box-beats-white-box"
WEAKER: frozenset[Knowledge] = frozenset({"none", "score", "decision"})
MARGIN_MAP = 2.0
PROBE_MARGIN_MAP = 3.0
"""The probe has fewer queries."""


def check(evidence: Evidence) -> list[Finding]:
    """Return what this flag found."""
    found = [Finding(ID, text) for text in weaker_beats_white_box(evidence, WEAKER, MARGIN_MAP)]
    probe = evidence.probe
    if probe is None or probe.white_box_map is None:
        return found
    if probe.black_box_map < probe.white_box_map - PROBE_MARGIN_MAP:
        message = (
            f"on {probe.queries} probed queries at {probe.eps_255:g}/255, {BLACK_BOX[0]} leaves "
            f"mAP {probe.black_box_map:.1f}, the best white-box attack {probe.white_box_map:.1f}"
        )
        found.append(Finding(ID, message))
    return found
