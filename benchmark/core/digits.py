"""Numbers in messages that say that one is above the other."""

from __future__ import annotations

MOST_DIGITS = 12


def told_apart(value: float, limit: float, digits: int = 1) -> tuple[str, str]:
    """Return two numbers as texts that differ where the numbers do: "40.44" and "40.38".

    Args:
        value: What was measured.
        limit: What it is compared with.
        digits: Digits after the point, if these are enough.
    """
    texts = f"{value:.{digits}f}", f"{limit:.{digits}f}"
    if len(set(texts)) > 1 or value == limit or digits == MOST_DIGITS:
        return texts
    return told_apart(value, limit, digits + 1)
