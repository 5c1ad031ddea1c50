"""Not in eval mode.

Raised if: under eval(), a module runs in training mode, or a pass changes a parameter or buffer.
Means: dropout or batch statistics are at work, and evaluation changes what is evaluated.
Do: leave train() and eval() to the harness, and do not call training-time functions in forward.
"""

from __future__ import annotations

from collections.abc import Sequence

from benchmark.checks.evidence import Evidence, Finding

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
        found.append(Finding(ID, f"in training mode: {_names(seen.training_modules)}"))
    if seen.changed_state:
        found.append(Finding(ID, f"changed by a pass: {_names(seen.changed_state)}"))
    return found


def _names(names: Sequence[str]) -> str:
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")
