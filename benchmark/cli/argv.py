"""Options that take several values: ``--eps 2 4 8`` means ``--eps 2 --eps 4 --eps 8``.

Which options do, and where positional arguments are wanted, is read from the command itself.
``--opt=VALUE`` is the same as ``--opt VALUE``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import takewhile
from typing import Any

_NUMBER = re.compile(r"-\d*\.?\d+([eE][-+]?\d+)?")


class _Run:
    """An option that takes several values, with the values that follow it."""

    def __init__(self, option: str, values: list[str]) -> None:
        self.option, self.values = option, values
        self.positional: list[str] = []

    def give_back(self, count: int) -> int:
        """Leave up to `count` of the last values to the command; return how many it gets."""
        count = max(0, min(count, len(self.values) - 1))
        kept = len(self.values) - count
        self.values, self.positional = self.values[:kept], self.values[kept:]
        return count

    def __iter__(self) -> Iterator[str]:
        for value in self.values:
            yield from (self.option, value)
        if not self.values:
            yield self.option
        yield from self.positional


def before_separator(arguments: Sequence[str]) -> list[str]:
    """Return the arguments before ``--``, after which there are no options."""
    return list(takewhile(lambda argument: argument != "--", arguments))


def spread(arguments: Sequence[str], command: Any) -> list[str]:
    """Repeat an option before each of its values.

    Args:
        arguments: The command line.
        command: What typer made of the application, or of one command.
    """
    depth, command = _chosen(before_separator(arguments), command)
    if command is None:
        return list(arguments)
    options = {name: p for p in command.params if _is_option(p) for name in p.opts}
    several = {name for name, option in options.items() if option.multiple}
    parts: list[Any] = [[one] for one in arguments[:depth]]
    end = len(before_separator(arguments))
    positional, single = max(0, len(arguments) - end - 1), False
    for argument in arguments[depth:end]:
        name, equals, value = argument.partition("=")
        run = parts[-1] if parts and isinstance(parts[-1], _Run) else None
        if single:
            parts.append([argument])
            single = False
        elif name in several:
            parts.append(_Run(name, [value] if equals else []))
        elif argument.startswith("-") and not _NUMBER.fullmatch(argument):
            parts.append([argument])
            single = not equals and name in options and not options[name].is_flag
        elif run is not None:
            run.values.append(argument)
        else:
            positional += 1
            parts.append([argument])
    wanted = sum(p.nargs for p in command.params if not _is_option(p) and p.required)
    lacking = wanted - positional
    for run in [part for part in reversed(parts) if isinstance(part, _Run)]:
        lacking -= run.give_back(lacking)
    return [*(one for part in parts for one in part), *arguments[end:]]


def _chosen(arguments: Sequence[str], command: Any) -> tuple[int, Any]:
    """Return the command that the arguments name and how many of them do; None for no command."""
    for depth, argument in enumerate(arguments, start=1):
        groups = getattr(command, "commands", None)
        if groups is None:
            return depth - 1, command
        if not argument.startswith("-"):
            command = groups.get(argument)
    return len(arguments), command if not hasattr(command, "commands") else None


def _is_option(parameter: Any) -> bool:
    return bool(parameter.param_type_name == "option")
