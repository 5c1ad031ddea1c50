"""Where the files of a module lie, found without importing it."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

from benchmark.core.own_packages import OWN_PACKAGES

COVERED = frozenset({"benchmark", "results"})
"""Packages of the project that fingerprints cover by version numbers."""

_INSTALLED = ("site-packages", "dist-packages")

Found = list[tuple[Path, str]]


def module_files(name: str, file: Path, module: str, start: Path, root: Path) -> Found | None:
    """Return the files that importing a module runs from its top package on, with their names.

    Args:
        name: The module as an import statement in `file` names it, with leading dots if relative.
        file: The file that imports it.
        module: Name of its module.
        start: The plugin's file; modules beside it or in the folders above are found last.
        root: Folder of the project's packages.

    Returns:
        Nothing for built-in modules and those of the standard library; None for a module that is
        nowhere.
    """
    bare = name.lstrip(".")
    level = len(name) - len(bare)
    if level:
        folder = file.parent
        for _ in range(level - 1):
            folder = folder.parent
        package = module if file.name == "__init__.py" else module.rpartition(".")[0]
        package = ".".join(package.split(".")[: len(package.split(".")) - level + 1])
        init = folder / "__init__.py"
        found: Found = [(init.resolve(), package)] if init.is_file() else []
        below = _walk(bare, [folder], f"{package}." if package else "") if bare else []
        return None if below is None else found + below
    top = bare.partition(".")[0]
    if top in sys.stdlib_module_names or top in COVERED:
        return []
    folders = [root] if top in OWN_PACKAGES else _folders_of(top, file, start)
    return _walk(bare, folders, "")


def is_local(file: Path, start: Path, root: Path) -> bool:
    """Whether a file is part of the plugin and not of an installed package or the benchmark."""
    top = file.relative_to(root).parts[0] if file.is_relative_to(root) else ""
    if top in OWN_PACKAGES:
        return top not in COVERED
    installed = _installed_package(file)
    return installed is None or installed == _installed_package(start)


def _folders_of(top: str, file: Path, start: Path) -> list[Path]:
    """Return the folders in which a top-level module may lie, the likeliest first."""
    near = [file.parent, start.parent, *start.parent.parents][: 2 + _DEPTH]
    known = sys.modules.get(top)
    origin = getattr(known, "__file__", None)
    try:
        spec = None if origin else importlib.util.find_spec(top)
    except (ImportError, ValueError, AttributeError):
        spec = None
    if spec is not None:
        origin = spec.origin
        if spec.submodule_search_locations is not None:
            return [*(Path(one).parent for one in spec.submodule_search_locations), *near]
    if origin in (None, "built-in", "frozen"):
        return near
    path = Path(str(origin))
    return [path.parent.parent if path.name == "__init__.py" else path.parent, *near]


_DEPTH = 2
"""Folders above the plugin's in which modules are looked for."""


def _walk(name: str, folders: list[Path], prefix: str) -> Found | None:
    """Follow the parts of a dotted name from package to package."""
    parts = name.split(".")
    for folder in folders:
        found: Found = []
        here = folder
        for depth, part in enumerate(parts):
            full = prefix + ".".join(parts[: depth + 1])
            init, single = here / part / "__init__.py", here / f"{part}.py"
            here = here / part
            if init.is_file():
                found.append((init.resolve(), full))
            elif single.is_file():
                found.append((single.resolve(), full))
            elif not here.is_dir():
                # the rest is an attribute, or a module of compiled code
                if not found and not list(here.parent.glob(f"{part}.*")):
                    break
                return found
        else:
            if found or here.is_dir():
                return found
    return None


def _installed_package(file: Path) -> str | None:
    """Return the top-level name under which a file is installed; None if it is not."""
    parts = file.parts
    place = next((n for n, part in enumerate(parts) if part in _INSTALLED), None)
    return None if place is None or place + 1 >= len(parts) else parts[place + 1].split(".")[0]
