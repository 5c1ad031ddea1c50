"""Parametrised plugins: `NAME:ARGUMENT` makes a class of its own out of a plugin."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from benchmark.core.errors import UsageError
from benchmark.core.plugin import Plugin

SEPARATOR = ":"


def base_name(name: str) -> str:
    """Return the registered part of a name: all before the colon of ``NAME:ARGUMENT``."""
    return name.partition(SEPARATOR)[0]


class Parametrised(Plugin):
    """Base of plugins that are chosen as ``NAME:ARGUMENT``.

    Attributes:
        example: An argument, for error messages.
    """

    example: ClassVar[str]

    @classmethod
    @abstractmethod
    def with_argument(cls, argument: str) -> type[Plugin]:
        """Return the class behind ``NAME:ARGUMENT``.

        Raises:
            UsageError: The argument names nothing that it can take.
        """

    @classmethod
    def check_argument(cls, name: str) -> None:
        """Refuse a choice of this plugin that does not say what it takes.

        Raises:
            UsageError: `name` has no argument.
        """
        if not name.partition(SEPARATOR)[2]:
            raise UsageError(
                f"{base_name(name)!r} does not say what it takes",
                f"write {base_name(name)}{SEPARATOR}{cls.example}",
            )
