"""Canary failed.

Raised if: with the options of the run, the attack is weaker on the stored undefended encoder than
    it has to be.
Means: the attack is broken or weakened; its numbers do not count and are left out of the worst
    case.
Do: undo the options that weaken it, or mend the attack.
"""

from __future__ import annotations

from benchmark.checks.evidence import Evidence, Finding

ID = "canary-failed"


def check(evidence: Evidence) -> list[Finding]:
    """Return what this flag found."""
    return [
        Finding(ID, f"{one.key}: its numbers do not count: {one.canary_reason}", one.key)
        for one in evidence.attacks
        if one.canary_passed is False
    ]
