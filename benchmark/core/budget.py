"""Budgets as users name them: in 1/255 units, as ``8`` or as ``8/255``."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator

from benchmark.core.errors import UsageError
from benchmark.core.threat import check_eps_255

LEAST = 0.1
"""A smaller budget, but for 0, is one of pixels in [0, 1]: 0.1 is 25/255 there."""

_OVER_255 = re.compile(r"\s*([^/]+?)\s*/\s*255\s*")
_LEADING_ZERO = re.compile(r"0[0-9]+")
_ZERO = re.compile(r"[-+]?0+")


def as_number(given: object) -> object:
    """Return ``8`` for ``8/255``; all else as it is.

    Raises:
        UsageError: It is another fraction, or the second half of a number with a decimal comma.
    """
    if not isinstance(given, str):
        return given
    over = _OVER_255.fullmatch(given)
    number = over[1] if over else given.strip()
    if "/" in number:
        raise UsageError(f"eps {given!r} is not a number over 255", "write it as 8 or 8/255")
    if _LEADING_ZERO.fullmatch(number):
        raise _decimal_comma("0", number)
    return number


def split_budgets(text: str) -> list[str]:
    """Return the parts of a text such as ``2,4,8``.

    Raises:
        UsageError: The comma is a decimal one, as in ``0,5``.
    """
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if len(parts) == 2 and (_ZERO.fullmatch(parts[0]) or _LEADING_ZERO.fullmatch(parts[1])):
        raise _decimal_comma(*parts)
    return parts


def check_unit(eps_255: float) -> float:
    """Return a budget that can be one in 1/255 units.

    Raises:
        UsageError: It is negative, over 255, or so small that another unit was meant.
    """
    check_eps_255(eps_255)
    if 0 < eps_255 < LEAST:
        raise UsageError(f"eps {eps_255:g} is too small: the unit is 1/255", _in_255(eps_255))
    return float(eps_255)


def _in_255(share: float) -> str:
    steps = max(1, round(255 * share))
    return f"if you mean {share:g} of pixels in [0, 1], that is about {steps}/255: write {steps}"


def _decimal_comma(whole: str, rest: str) -> UsageError:
    hint = "write a decimal point, and a space between two budgets"
    with suppress(ValueError):
        share = float(f"{whole}.{rest}")
        hint += f"; {_in_255(share)}" if 0 < share < LEAST else ""
    return UsageError(f"eps '{whole},{rest}' can be read as a number with a decimal comma", hint)


Eps255 = Annotated[float, BeforeValidator(as_number), AfterValidator(check_unit)]
"""A budget in 1/255 units."""
