"""A line of what ``doctor`` says."""

from __future__ import annotations

from typing import Literal, NamedTuple

Level = Literal["ok", "warn", "fail"]
GIB = 2**30


class Line(NamedTuple):
    """One finding: how bad, about what, and what was seen."""

    level: Level
    subject: str
    message: str
