"""The attack fails after JPEG.

Raised if: JPEG of quality 75 gives back three quarters of the mAP that the attack took, which was
    ten points or more, at 8/255 or more. It undoes smaller budgets even where nothing is wrong.
Means: a camera's codec undoes the attack; the headline is of images that were not compressed.
Do: quote the JPEG number beside the headline; attack through the codec for a stronger one.
"""

from __future__ import annotations

from benchmark.checks.evidence import Evidence, Finding

ID = "fails-after-jpeg"
MIN_EPS_255 = 8.0
MAX_SHARE = 0.75
"""At 8/255 up to two thirds come back on undefended encoders, a tenth on robust ones."""
MIN_TAKEN_MAP = 10.0
"""Of less, a few queries that JPEG happens to help are three quarters."""


def check(evidence: Evidence) -> list[Finding]:
    """Return what this flag found."""
    found = []
    for attack in evidence.dodging:
        given_back = attack.map_jpeg - attack.map
        taken = evidence.clean_map - attack.map
        if attack.eps_255 < MIN_EPS_255 or taken < MIN_TAKEN_MAP:
            continue
        if given_back > MAX_SHARE * taken:
            message = (
                f"{attack.key} leaves mAP {attack.map:.1f}, and {attack.map_jpeg:.1f} after JPEG"
            )
            found.append(Finding(ID, message, attack.key))
    return found
