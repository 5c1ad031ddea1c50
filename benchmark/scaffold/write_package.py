"""Write a small installable package from templates that ship with the benchmark."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from jinja2 import Environment, StrictUndefined

from benchmark.core.errors import UsageError
from benchmark.scaffold.package_names import PackageNames

ENDING = ".jinja"
"""Of templates: what they make is Python that no tool of this project should read as its own."""


def write_package(names: PackageNames, folder: Path, version: str) -> list[Path]:
    """Write the package into a folder that is not there yet, or is empty; return its files.

    Args:
        names: What it is called.
        folder: Where it goes.
        version: That of the benchmark, which it asks for.

    Raises:
        UsageError: There is something already.
        OSError: It cannot be written.
    """
    check_free(folder)
    texts = package_texts(names, version)
    for path, text in texts.items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")
    return [folder / path for path in texts]


def check_free(folder: Path) -> None:
    """Refuse a place that is in use.

    Raises:
        UsageError: It is a file, or a folder that is not empty.
    """
    if folder.is_dir():
        if any(folder.iterdir()):
            raise UsageError(f"the folder {folder} is not empty", "choose another --output DIR")
    elif folder.exists() or folder.is_symlink():
        raise UsageError(f"{folder} is not a folder", "choose another --output DIR")


def package_texts(names: PackageNames, version: str) -> Mapping[str, str]:
    """Return the text of each file of a package, by its path in the package."""
    environment = Environment(
        undefined=StrictUndefined, keep_trailing_newline=True, trim_blocks=True, autoescape=False
    )
    # A wheel leaves out files whose names begin with a dot.
    words = {**vars(names), "version": version, "dot": "."}
    templates = files("benchmark.scaffold").joinpath("templates")
    return {
        environment.from_string(path.removesuffix(ENDING)).render(words): environment.from_string(
            template.read_text("utf-8")
        ).render(words)
        for part in ("common", names.kind)
        for path, template in _templates(templates.joinpath(part))
    }


def _templates(folder: Traversable, prefix: str = "") -> Iterator[tuple[str, Traversable]]:
    """Yield the path below a folder and the place of each template, in order."""
    for entry in sorted(folder.iterdir(), key=lambda one: one.name):
        if entry.is_dir():
            yield from _templates(entry, f"{prefix}{entry.name}/")
        elif entry.name.endswith(ENDING):
            yield f"{prefix}{entry.name}", entry
