"""The attack fails after JPEG.

Raised if: JPEG of quality 75 gives back three quarters of the mAP that the attack took, which was
    ten points or more, at 8/255 or more, and more than that by twice what chance makes of so many
    queries. It undoes smaller budgets even where nothing is wrong.
Means: a camera's codec undoes the attack; the headline is of images that were not compressed.
Do: quote the JPEG number beside the headline; attack through the codec for a stronger one.
Seen: At 8/255 JPEG gives back up to a third on `none`, up to a tenth on `metric-at`, and two thirds
    of it on the canary's small encoder (0.71 and 0.76 behind `broken-random`; 0.62 to 0.81 of 16 of
    its queries). The bar is 0.75 + 0.67 / √queries: 0.92 of 16 queries, 0.79 of 304.
"""

from __future__ import annotations

import math

from benchmark.checks.evidence import Evidence, Finding

ID = "fails-after-jpeg"
MIN_EPS_255 = 8.0
MAX_SHARE = 0.75
"""At 8/255 up to two thirds come back on undefended encoders, a tenth on robust ones."""
SPREAD = 1 / 3
"""Standard deviation over queries of what comes back beyond that share, in units of the mean mAP
taken: 24 to 26 points of 73 to 78 on the canary, behind `broken-random` and without a mask."""
MIN_TAKEN_MAP = 10.0
"""Of less, a few queries that JPEG happens to help are three quarters."""


def check(evidence: Evidence) -> list[Finding]:
    """Return what this flag found."""
    found = []
    share = MAX_SHARE + 2 * SPREAD / math.sqrt(evidence.queries)
    for attack in evidence.dodging:
        given_back = attack.map_jpeg - attack.map
        taken = evidence.clean_map - attack.map
        if attack.eps_255 < MIN_EPS_255 or taken < MIN_TAKEN_MAP:
            continue
        if given_back > share * taken:
            message = (
                f"{attack.key} leaves mAP {attack.map:.1f}, and {attack.map_jpeg:.1f} after JPEG"
            )
            found.append(Finding(ID, message, attack.key))
    return found
