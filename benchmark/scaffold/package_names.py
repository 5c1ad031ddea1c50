"""The names of a new package: one word of the user's, and what follows from it."""

from __future__ import annotations

import importlib.util
import keyword
import re
import sys
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal, get_args

from benchmark.core.errors import UsageError, unknown_name
from benchmark.core.own_packages import OWN_PACKAGES

ScaffoldKind = Literal["defense", "attack", "dataset", "experiment"]
SCAFFOLD_KINDS: tuple[ScaffoldKind, ...] = get_args(ScaffoldKind)
_KEBAB_CASE = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_MOST_CHARACTERS = 60
_RESERVED = {"dist", "build", "tests", *OWN_PACKAGES}
"""Modules that the package, its tests or this project have already."""


@dataclass(frozen=True)
class PackageNames:
    """What a new package and the things in it are called.

    Attributes:
        kind: What it registers.
        name: Registry name, also that of the distribution and its folder.
        module: Name of its Python package.
        class_name: Name of the class that it registers.
    """

    kind: ScaffoldKind
    name: str
    module: str
    class_name: str


def package_names(kind: str, name: str, taken: Collection[str]) -> PackageNames:
    """Return the names of a new package.

    Args:
        kind: One of `SCAFFOLD_KINDS`.
        name: What it is to be called.
        taken: Names that are registered.

    Raises:
        UsageError: There is no such kind, or the name cannot be used.
    """
    if kind not in SCAFFOLD_KINDS:
        raise unknown_name("kind", kind, SCAFFOLD_KINDS)
    if not _KEBAB_CASE.fullmatch(name) or len(name) > _MOST_CHARACTERS:
        raise UsageError(
            f"{name!r} is not a name for a {kind}",
            f"use small letters, digits and single hyphens, such as my-{kind}",
        )
    if name in taken:
        raise UsageError(
            f"the name {name!r} is taken", f"choose another, such as my-{name}; see: list {kind}s"
        )
    module = name.replace("-", "_")
    if _is_taken_module(module):
        raise UsageError(
            f"a Python package {module!r} would hide another one of this name",
            f"choose another, such as my-{name}",
        )
    words = "".join(word.capitalize() for word in name.split("-"))
    kind_word = kind.capitalize()
    class_name = words if words.endswith(kind_word) else words + kind_word
    return PackageNames(kind, name, module, class_name)


def _is_taken_module(module: str) -> bool:
    if keyword.iskeyword(module) or module in sys.stdlib_module_names or module in _RESERVED:
        return True
    with suppress(ImportError, ValueError):
        spec = importlib.util.find_spec(module)
        return spec is not None and spec.origin is not None  # a mere folder hides nothing
    return False
