"""One result of a check of a data set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Defect:
    """One result of a check.

    Attributes:
        level: ``info``, ``warning``, or ``error`` when the data should not be used.
        check: Which check found it.
        message: What was found.
        hint: What to do about it; empty for ``info``.
    """

    level: Literal["info", "warning", "error"]
    check: str
    message: str
    hint: str = ""
