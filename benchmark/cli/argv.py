"""Options that take several values: ``--eps 2 4 8`` means ``--eps 2 --eps 4 --eps 8``."""

from __future__ import annotations

import re
from collections.abc import Sequence

SEVERAL = (
    *("--defense", "--test-dataset", "--attack", "--eps", "--seed", "--attack-seed"),
    *("--plugin", "--set"),
)
COMMANDS = ("run", "plan", "experiment")

_NUMBER = re.compile(r"-\d*\.?\d+([eE][-+]?\d+)?")


def spread(arguments: Sequence[str]) -> list[str]:
    """Repeat an option before each of its values, for the commands that have such options."""
    if not arguments or arguments[0] not in COMMANDS:
        return list(arguments)
    result: list[str] = []
    option: str | None = None
    values = 0
    for argument in arguments:
        is_option = argument.startswith("-") and not _NUMBER.fullmatch(argument)
        if is_option:
            option, values = (argument if argument in SEVERAL else None), 0
        elif option is not None:
            if values:
                result.append(option)
            values += 1
        result.append(argument)
    return result
