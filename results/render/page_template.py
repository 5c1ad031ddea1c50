"""Pages from templates; every value is escaped."""

from __future__ import annotations

from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from results.render.claims import plain

MISSING = "–"


def rendered(template: str, **values: Any) -> str:
    """Return a page; the same values give the same text.

    Args:
        template: Its file in ``results/render/templates``.
        values: What it shows; text may hold anything.
    """
    return _environment().get_template(template).render(**values)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("results.render"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters |= {
        "number": _number,
        "budget": _budget,
        "duration": _duration,
        "plain": plain,
    }
    return environment


def _number(value: float | None, decimals: int = 1) -> str:
    return MISSING if value is None else f"{value:,.{decimals}f}"


def _budget(eps: float | None) -> str:
    return MISSING if eps is None else f"{eps:g}/255"


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
