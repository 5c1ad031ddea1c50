"""Names of data sets: of several that are trained on together, ``market1501+msmt17``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmark.core.errors import UsageError

JOINT = "+"


def sources_of(name: str) -> tuple[str, ...]:
    """Return the data sets behind a name; one unless several are joined."""
    return tuple(name.split(JOINT))


def joined(value: Any) -> str:
    """Return the name of one data set or of several: a list, or a text with commas or ``+``.

    Raises:
        ValueError: It holds no name, or something else than names.
        UsageError: A data set is named twice.
    """
    parts = [value] if isinstance(value, str) else value
    if not isinstance(parts, Sequence) or not all(isinstance(part, str) for part in parts):
        raise ValueError("give the name of a data set, or a list of names")
    names = [
        name.strip()
        for part in parts
        for name in part.replace(",", JOINT).split(JOINT)
        if name.strip()
    ]
    if not names:
        raise ValueError("there is no name of a data set")
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UsageError(
            f"the data set {twice} is named twice in {JOINT.join(names)}", "name it once"
        )
    return JOINT.join(names)
