"""The four packages of the project are found by their place, not by the order of the path.

Researchers of this field have a ``results.py`` or a folder ``attacks`` of their own, and Python
looks into the current folder first.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
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
