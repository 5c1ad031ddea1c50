"""Mounted plugins: `NAME:ARGUMENT` makes a class of its own out of a plugin."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from benchmark.core.errors import UsageError
from benchmark.core.plugin import Plugin

MOUNT = ":"


def base_name(name: str) -> str:
    """Return the registered part of a name: all before the colon of ``NAME:ARGUMENT``."""
    return name.partition(MOUNT)[0]


class Mountable(Plugin):
    """Base of plugins that are chosen as ``NAME:ARGUMENT``.

    Attributes:
        example: An argument, for error messages.
    """

    example: ClassVar[str]

    @classmethod
    @abstractmethod
    def mount(cls, argument: str) -> type[Plugin]:
        """Return the class behind ``NAME:ARGUMENT``.

        Raises:
            UsageError: The argument does not name anything that can be mounted.
        """

    @classmethod
    def check_mounted(cls, name: str) -> None:
        """Refuse a choice of this plugin that does not say what to mount.

        Raises:
            UsageError: `name` has no argument.
        """
        if not name.partition(MOUNT)[2]:
            raise UsageError(
                f"{base_name(name)!r} does not say what to mount",
                f"write {base_name(name)}{MOUNT}{cls.example}",
            )
