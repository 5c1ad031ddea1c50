"""The outcome of a contract suite: one result a check, in words that its author understands."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel

from benchmark.core.errors import BenchmarkError
from benchmark.core.plugin import Plugin, PluginConfig

S = TypeVar("S")
Check = tuple[str, Callable[[S], str]]
"""A name, and a function that returns what it saw or raises `Broken`."""


@dataclass(frozen=True)
class CheckResult:
    """The outcome of one check.

    Attributes:
        name: What was checked.
        passed: Whether it holds.
        detail: What was seen.
    """

    name: str
    passed: bool
    detail: str = ""


class Broken(Exception):  # noqa: N818
    """A check does not hold; the message says what was seen."""


def run_checks(checks: Sequence[Check[S]], subject: S) -> list[CheckResult]:
    """Run checks on a subject; what one raises is its result."""
    return [_outcome(name, check, subject) for name, check in checks]


def _outcome(name: str, check: Callable[[S], str], subject: S) -> CheckResult:
    try:
        return CheckResult(name, True, check(subject))
    except Broken as broken:
        return CheckResult(name, False, str(broken))
    except BenchmarkError as error:
        return CheckResult(name, False, " → ".join(filter(None, (error.what, error.mend))))
    except Exception as error:
        return CheckResult(name, False, f"raised {type(error).__name__}: {error}")


def require(holds: bool, otherwise: str) -> None:
    """Go on if something holds.

    Raises:
        Broken: It does not.
    """
    if not holds:
        raise Broken(otherwise)


def check_card(plugin: type[Plugin]) -> str:
    """Check that a plugin says what it is."""
    require(bool(plugin.name), "it has no registry name")
    require(bool(plugin.card.title), "its card has no title")
    require(bool(plugin.summary()), "its class has no docstring")
    require(len(plugin.source_sha256()) == 64, "its source has no hash")
    return plugin.card.title


def check_options(plugin: type[Plugin]) -> str:
    """Check that options have defaults and that unknown ones are refused."""
    require(plugin.parse_config({}) == plugin.Config(), "defaults parse to something else")
    known = ", ".join(plugin.Config.model_fields) or "none"
    unknown = "no_such_option"
    try:
        plugin.parse_config({unknown: 1})
    except BenchmarkError as error:
        require(unknown in str(error), f"the error does not name the unknown key: {error}")
        return known
    raise Broken("unknown options are not refused: derive Config from PluginConfig")


def affordable(
    plugin: type[Plugin], options: Mapping[str, Any], limits: Mapping[str, int]
) -> PluginConfig:
    """Return a plugin's options with whole numbers of some names, at any depth, made smaller.

    Args:
        plugin: The plugin.
        options: What the user chose.
        limits: The largest value by the name of the option.
    """
    config = plugin.parse_config(dict(options))
    return plugin.parse_config(_limited(config, limits))


def _limited(config: BaseModel, limits: Mapping[str, int]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key in type(config).model_fields:
        value = getattr(config, key)
        if isinstance(value, BaseModel):
            values[key] = _limited(value, limits)
        elif key in limits and isinstance(value, int):
            values[key] = min(value, limits[key])
        else:
            values[key] = value
    return values
