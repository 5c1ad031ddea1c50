"""Show texts that anybody may have written: characters that act on a terminal are spelled out."""

from __future__ import annotations

import re

UNSEEN = r"\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u2028\u2029"
"""Control characters, what turns the direction of writing, and line separators."""
OF_A_TEXT = re.compile(rf"(?![\n\t])[{UNSEEN}]")
_OF_A_LINE = re.compile(f"[{UNSEEN}]")
_SHOWN_LENGTH = 120


def without_controls(text: str) -> str:
    """Return a text in which control characters but line breaks are spelled out."""
    return OF_A_TEXT.sub(_spelled, text)


def printable(text: str) -> str:
    """Return what may be shown of any text: one short line."""
    plain = _OF_A_LINE.sub(_spelled, text)
    return plain if len(plain) <= _SHOWN_LENGTH else f"{plain[:_SHOWN_LENGTH]}…"


def _spelled(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()
