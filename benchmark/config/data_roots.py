"""``data_root``: where data sets lie on disk, as users write it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmark.config.paths import user_path
from benchmark.core.errors import UsageError

DATA_VARIABLE = "REID_ROBUSTBENCH_DATA"
_NAMED = re.compile(r"([\w+.:-]*)=(.*)", re.DOTALL)


@dataclass(frozen=True)
class DataRoots:
    """Where to look for data sets.

    Attributes:
        folders: Folders that are a data set or hold some.
        named: Folder of a data set, by its name.
    """

    folders: tuple[Path, ...] = ()
    named: Mapping[str, Path] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.folders or self.named)

    def written(self) -> str | list[str] | dict[str, str] | None:
        """Return what `data_roots` reads as the same roots."""
        folders = [str(path) for path in self.folders]
        named = {name: str(path) for name, path in self.named.items()}
        if not folders:
            return named or None
        if len(folders) == 1 and not named:
            return folders[0]
        return [*folders, *(f"{name}={path}" for name, path in named.items())]


def data_roots(value: Any) -> DataRoots:
    """Read DIR, ``NAME=DIR``, a mapping from names to folders, or a list of these.

    A relative folder whose name has an equals sign is written ``./a=b``.

    Raises:
        ValueError: An empty path, or something else than a path.
        UsageError: A data set has two folders.
    """
    if isinstance(value, DataRoots):
        return value
    folders: dict[Path, None] = {}
    named: dict[str, Path] = {}
    for name, path in _pairs(value):
        if name is None:
            folders[path] = None
        elif name in named:
            raise UsageError(
                f"two roots are given for the data set {name}: {named[name]} and {path}",
                f"keep one --data-root {name}=DIR",
            )
        else:
            named[name] = path
    return DataRoots(tuple(folders), named)


def folders_of_environment() -> tuple[Path, ...]:
    """Return the folders of $REID_ROBUSTBENCH_DATA, in order; none where it is not set.

    Raises:
        UsageError: It is set and names no folder.
    """
    given = os.environ.get(DATA_VARIABLE)
    if given is None:
        return ()
    try:
        found = tuple(user_path(part) for part in given.split(os.pathsep) if part.strip())
    except ValueError as error:
        raise UsageError(f"{DATA_VARIABLE} = {given!r}: {error}", "correct or unset it") from error
    if not found:
        raise UsageError(
            f"{DATA_VARIABLE} is set and names no folder",
            f"set it to the folder that holds your data sets (several with {os.pathsep!r}), "
            "or unset it",
        )
    return found


def _pairs(value: Any) -> list[tuple[str | None, Path]]:
    if value is None:
        return []
    if isinstance(value, Mapping):
        return [(str(name), _path(path)) for name, path in value.items()]
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [pair for one in value for pair in _pairs(one)]
    match = _NAMED.fullmatch(value) if isinstance(value, str) else None
    if match is None or "/" in match[1] or match[1].startswith("."):
        return [(None, _path(value))]
    if not match[1]:
        raise ValueError("there is no name before =; write NAME=DIR")
    return [(match[1], _path(match[2]))]


def _path(value: Any) -> Path:
    if not isinstance(value, str | Path):
        raise ValueError("a root is a folder, NAME=DIR, or a mapping from names to folders")
    return user_path(value)
