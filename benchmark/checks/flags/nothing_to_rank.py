"""Nothing to rank.

Raised if: for some of the scored queries the gallery holds no image but those of their own
    identity.
Means: their AP is 100 whatever the encoder does and whatever attacks it; it tells nothing and
    lifts every average.
Do: add images of other identities, or distractors, to the gallery.
"""

from __future__ import annotations

from benchmark.checks.evidence import Evidence, Finding

ID = "nothing-to-rank"


def check(evidence: Evidence) -> list[Finding]:
    """Return what this flag found."""
    if not evidence.trivial_queries:
        return []
    message = (
        f"{evidence.trivial_queries} of {evidence.queries} queries have no wrong image in the "
        "gallery to be ranked before a right one; their AP is 100 under any attack"
    )
    return [Finding(ID, message)]
