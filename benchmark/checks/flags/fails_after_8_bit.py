"""The attack fails after rounding to 8 bits.

Raised if: rounding the adversarial images to 8 bits gives back a quarter of the mAP that the attack
    took, and more than the margin.
Means: the attack lives between the grey levels; as a file it would be weak.
Do: attack with the rounding in mind, or with a larger step; the headline is of rounded images.
Seen: Below 1/255 this is always so: at 0.5/255 rounding gives all of it back.
"""

from __future__ import annotations

from benchmark.checks.evidence import Evidence, Finding

ID = "fails-after-8-bit"
MAX_SHARE = 0.25
MARGIN_MAP = 2.0


def check(evidence: Evidence) -> list[Finding]:
    """Return what this flag found."""
    found = []
    for attack in evidence.dodging:
        given_back = attack.map - attack.map_float
        taken = evidence.clean_map - attack.map_float
        if taken > MARGIN_MAP and given_back > max(MARGIN_MAP, MAX_SHARE * taken):
            message = (
                f"{attack.key} leaves mAP {attack.map_float:.1f} before rounding and "
                f"{attack.map:.1f} after"
            )
            found.append(Finding(ID, message, attack.key))
    return found
