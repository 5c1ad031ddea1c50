"""How the rows of a board look in figures: colour, marker and dash, and wrapped titles."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any, NamedTuple

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Colours that the colour-blind tell apart (Okabe & Ito, 2008), without the pale yellow."""

PLAIN_TEXT: dict[Any, Any] = {"text.parse_math": False}
"""For matplotlib: a dollar in a name begins no formula."""
CHARACTERS_AN_INCH = 14

_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", "*")
_DASHES = ("-", "--", ":", "-.")


class RowStyle(NamedTuple):
    """What tells a row from the others."""

    colour: str
    marker: str
    dash: str


def row_styles(labels: Sequence[str]) -> dict[str, RowStyle]:
    """Give each row a colour, a marker and a dash, so that no two look alike."""
    return {
        label: RowStyle(
            PALETTE[number % len(PALETTE)],
            _MARKERS[number % len(_MARKERS)],
            _DASHES[number // len(PALETTE) % len(_DASHES)],
        )
        for number, label in enumerate(labels)
    }


def wrapped(parts: Sequence[str], width: float, an_inch: int = CHARACTERS_AN_INCH) -> str:
    """Return the parts of a title on lines that fit `width` inches of some characters each."""
    return "\n".join(textwrap.fill(part, int(width * an_inch)) for part in parts)
