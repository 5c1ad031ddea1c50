"""The outcome of a contract suite: one result a check, in words that its author understands."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from pydantic import BaseModel

from benchmark.core.errors import BenchmarkError
from benchmark.core.plugin import Plugin, PluginConfig
from benchmark.core.plugin_errors import HINT, line_in, told
from benchmark.core.references import resolved


class Warned(str):
    """What a check saw that holds, where something should be mended all the same."""

    __slots__ = ()


class Subject(Protocol):
    """What is examined."""

    @property
    def plugin(self) -> type[Plugin]:
        """The class."""


_NUMBER = re.compile(r"\d+(\.\d+)?")

S = TypeVar("S", bound=Subject)
Check = tuple[str, Callable[[S], str]]
"""A name, and a function that returns what it saw or raises `Broken`."""


@dataclass(frozen=True)
class CheckResult:
    """The outcome of one check.

    Attributes:
        name: What was checked.
        passed: Whether it holds.
        detail: What was seen.
        warns: Whether it holds, and something should be mended all the same.
    """

    name: str
    passed: bool
    detail: str = ""
    warns: bool = False


class Broken(Exception):  # noqa: N818
    """A check does not hold; the message says what was seen."""


def run_checks(checks: Sequence[Check[S]], subject: S) -> list[CheckResult]:
    """Run checks on a subject; what one raises is its result.

    A fault that stops several checks is told in full at the first of them.
    """
    results: list[CheckResult] = []
    told: dict[str, str] = {}
    for name, check in checks:
        result = _outcome(name, check, subject)
        if not result.passed:
            fault = _NUMBER.sub("", result.detail)
            first = told.setdefault(fault, name)
            if first != name:
                result = CheckResult(name, False, f"stopped by the same fault as {first!r}")
        results.append(result)
    return results


def _outcome(name: str, check: Callable[[S], str], subject: S) -> CheckResult:
    try:
        seen = check(subject)
        return CheckResult(name, True, seen, isinstance(seen, Warned))
    except Broken as broken:
        return CheckResult(name, False, str(broken))
    except BenchmarkError as error:
        # There is no run.log here.
        hint = f" → {error.hint}" if error.hint and error.hint != HINT else ""
        place = "" if error.__cause__ else line_in(error, subject.plugin)
        return CheckResult(name, False, error.what + place + hint)
    except (Exception, SystemExit) as error:
        return CheckResult(name, False, f"raised {told(error)}{line_in(error, subject.plugin)}")


def require(holds: bool, otherwise: str) -> None:
    """Go on if something holds.

    Raises:
        Broken: It does not.
    """
    if not holds:
        raise Broken(otherwise)


def check_card(plugin: type[Plugin]) -> str:
    """Check that a plugin says what it is, and that the papers on its card are known."""
    require(bool(plugin.name), "it has no registry name")
    resolved(plugin.card.references)
    unknown = plugin.behaviour().unknown
    if unknown:
        return Warned(f"its results are never reused ({unknown[0]}): declare sources = […]")
    if not plugin.card.title:
        return Warned("its card has no title: set card = benchmark.Card(title=…)")
    return plugin.card.title if plugin.summary() else Warned("its class has no docstring")


def check_options(plugin: type[Plugin], options: Mapping[str, Any]) -> str:
    """Check that options parse, by default too unless some are required, and no unknown one."""
    fields = plugin.Config.model_fields
    required = [key for key, option in fields.items() if option.is_required()]
    if not required:
        require(plugin.parse_config({}) == plugin.Config(), "defaults parse to something else")
    unknown = "no_such_option"
    try:
        plugin.parse_config({**options, unknown: 1})
    except BenchmarkError as error:
        require(unknown in str(error), f"the error does not name the unknown key: {error}")
        return ", ".join(f"{key} (required)" if key in required else key for key in fields)
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
