"""A problem of a record: what is wrong, and how to mend it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

RERUN = "run again: the output folder makes the record and its per-query file anew"


@dataclass(frozen=True)
class Problem:
    """Something that keeps a record from being published.

    Attributes:
        what: What is wrong and where, in one line.
        mend: How to mend it, in one line.
        grade: An ``error`` is refused everywhere; a ``warning`` is refused in a submission alone,
            as older records have some; a ``note`` says what could not be checked.
    """

    what: str
    mend: str
    grade: Literal["error", "warning", "note"] = "error"
