"""Lists within messages: never longer than a reader wants."""

from __future__ import annotations

from collections.abc import Sequence

SHOWN = 20


def listed(items: Sequence[object], most: int = SHOWN) -> str:
    """Return ``a, b, c``, cut after `most` items with ``and N more``."""
    more = f" and {len(items) - most} more" if len(items) > most else ""
    return ", ".join(_printable(str(item)) for item in items[:most]) + more


def _printable(text: str) -> str:
    return text if text.isprintable() else repr(text)
