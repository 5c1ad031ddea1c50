"""Not in eval mode.

Raised if: under eval(), a module runs in training mode, or a pass changes a parameter or buffer.
Means: dropout or batch statistics are at work, and evaluation changes what is evaluated.
Do: leave train() and eval() to the harness, and do not call training-time functions in forward.
"""

from __future__ import annotations

from benchmark.checks.evidence import Evidence, Finding
from benchmark.core.listing import listed

ID = "not-in-eval-mode"
NAMED = 3
"""Modules that are named in the message."""


def check(evidence: Evidence) -> list[Finding]:
    """Return what this flag found."""
    if evidence.probe is None:
        return []
    seen = evidence.probe.consistency
    found = []
    if seen.training_modules:
        found.append(Finding(ID, f"in training mode: {listed(seen.training_modules, NAMED)}"))
    if seen.changed_state:
        found.append(Finding(ID, f"changed by a pass: {listed(seen.changed_state, NAMED)}"))
    return found
