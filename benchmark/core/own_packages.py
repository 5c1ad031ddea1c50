"""The four packages of the project are found by their place, not by the order of the path.

Researchers of this field have a ``results.py`` or a folder ``attacks`` of their own, and Python
looks into the current folder first.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType

OWN_PACKAGES = ("attacks", "benchmark", "defenses", "results")
ROOT = Path(__file__).resolve().parents[2]
"""The folder that holds the packages."""


class _OwnPackages:
    """Finds the packages of the project before any other finder does."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return where a module is; None for one that is not below a name of the project.

        Raises:
            ModuleNotFoundError: There is none; it tells who has a package of the same name.
        """
        top, _, below = fullname.partition(".")
        if top not in OWN_PACKAGES:
            return None
        spec = PathFinder.find_spec(fullname, path if below else [str(ROOT)], target)
        if spec is None and below:
            raise ModuleNotFoundError(
                f"No module named {fullname!r}: reid-robustbench has a package {top!r} of its own; "
                "rename yours"
            )
        return spec


def find_own_packages_first() -> None:
    """Let no other module or package take the name of one of the project's."""
    if not any(isinstance(finder, _OwnPackages) for finder in sys.meta_path):
        sys.meta_path.insert(0, _OwnPackages())


def namesakes(name: str) -> list[Path]:
    """Return the modules and packages elsewhere on the path that have the name of one of these.

    They are hidden as long as this project is loaded. Folders without ``__init__.py`` hide nothing
    and do not count.
    """
    found: dict[Path, None] = {}
    for entry in sys.path:
        folder = Path(entry).resolve()  # an empty entry is the current folder
        with suppress(ImportError, OSError, ValueError):
            spec = PathFinder.find_spec(name, [str(folder)])
            if spec is not None and spec.origin is not None and folder != ROOT:
                found[Path(spec.origin)] = None
    return [path.parent if path.name == "__init__.py" else path for path in found]
