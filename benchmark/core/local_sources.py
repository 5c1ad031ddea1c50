"""What a plugin file imports from its own folder: part of the source that its results come from."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

_OWN_PACKAGES = frozenset({"benchmark", "attacks", "defenses", "results"})
"""Covered by fingerprints in their own ways."""


def local_sources(path: Path) -> set[Path]:
    """Return a plugin file and every file below its folder that it imports, directly or not.

    Only what is imported already is found, by absolute import, anywhere in the text. Installed
    packages and those of the benchmark itself do not count.

    Args:
        path: The plugin file, imported.
    """
    folder = path.resolve().parent
    found: set[Path] = set()
    waiting = [path.resolve()]
    while waiting:
        current = waiting.pop()
        if current not in found:
            found.add(current)
            waiting.extend(file for file in _imports(current) if _is_below(file, folder))
    return found


def _imports(path: Path) -> Iterator[Path]:
    """Yield the files of the modules that a file imports."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [one.name for one in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module, *(f"{node.module}.{one.name}" for one in node.names)]
        for name in names:
            file = getattr(sys.modules.get(name), "__file__", None)
            if file is not None and name.partition(".")[0] not in _OWN_PACKAGES:
                yield Path(file).resolve()


def _is_below(file: Path, folder: Path) -> bool:
    installed = "site-packages" in file.parts
    return file.suffix == ".py" and file.is_relative_to(folder) and not installed
