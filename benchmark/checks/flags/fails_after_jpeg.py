"""The attack fails after JPEG.

Raised if: JPEG of quality 75 gives back three quarters of the mAP that the attack took, and more
    than the margin, at 8/255 or more. It undoes smaller budgets even where nothing is wrong.
Means: a camera's codec undoes the attack; the headline is of images that were not compressed.
Do: quote the JPEG number beside the headline; attack through the codec for a stronger one.
"""

from __future__ import annotations

from benchmark.checks.evidence import Evidence, Finding

ID = "fails-after-jpeg"
MIN_EPS_255 = 8.0
MAX_SHARE = 0.75
"""On undefended encoders without a mask, up to half comes back at 8/255."""
MARGIN_MAP = 5.0


def check(evidence: Evidence) -> list[Finding]:
    """Return what this flag found."""
    found = []
    for attack in evidence.dodging:
        given_back = attack.map_jpeg - attack.map
        taken = evidence.clean_map - attack.map
        if attack.eps_255 < MIN_EPS_255 or taken <= MARGIN_MAP:
            continue
        if given_back > max(MARGIN_MAP, MAX_SHARE * taken):
            message = (
                f"{attack.key} leaves mAP {attack.map:.1f}, and {attack.map_jpeg:.1f} after JPEG"
            )
            found.append(Finding(ID, message, attack.key))
    return found
