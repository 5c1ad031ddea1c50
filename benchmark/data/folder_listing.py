"""What lies in a folder of images: the images, and what is not read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from benchmark.core.errors import DataError
from benchmark.core.listing import listed
from benchmark.data.layout import SUFFIXES

_HARMLESS = (".db", ".ini", ".mat", ".m", ".py", ".txt", ".log", ".md", ".html", ".pdf", ".json",
             ".csv", ".xml", ".yaml", ".yml")  # fmt: skip
"""Endings of files that data sets and desktops leave beside images; hidden files are such, too."""


@dataclass(frozen=True)
class FolderListing:
    """Names in a folder, sorted.

    Attributes:
        images: Named as images, which may be files, links or, by mistake, folders.
        unread: Neither named as images nor known to be harmless.
    """

    images: tuple[str, ...]
    unread: tuple[str, ...]


def list_folder(
    folder: Path, hint: str = "put images there", *, deep: bool = False
) -> FolderListing:
    """List a folder that should hold images.

    Args:
        folder: The folder.
        hint: How to mend it if it holds none.
        deep: Whether images may lie in its sub-folders, too; names are then paths with ``/``.

    Raises:
        DataError: There is no such folder, it cannot be read, or it holds no image.
    """
    if not is_folder(folder):
        raise DataError(f"no folder {folder}", hint)
    entries = dict(_entries(folder))
    for name, path in list(entries.items()) if deep else []:
        if path.suffix.lower() not in SUFFIXES and is_folder(path):
            del entries[name]
            entries |= {f"{name}/{inner}": found for inner, found in _entries(path)}
    images = tuple(
        sorted(name for name, path in entries.items() if path.suffix.lower() in SUFFIXES)
    )
    known = {*SUFFIXES, *_HARMLESS}
    unread = tuple(name for name, path in entries.items() if path.suffix.lower() not in known)
    if not images:
        others = f"; {unread_line(unread)}" if unread else ""
        raise DataError(f"no images in {folder}{others}", hint)
    return FolderListing(images, unread)


def _entries(folder: Path) -> list[tuple[str, Path]]:
    try:
        paths = sorted(folder.iterdir())
    except OSError as error:
        raise _unreadable(folder, error) from error
    return [(path.name, path) for path in paths if not path.name.startswith(".")]


def is_folder(path: Path) -> bool:
    """Whether `path` is a folder or a link to one; False if there is nothing of the name.

    Raises:
        DataError: `path` is a dead link, or may not be looked at.
    """
    try:
        found = path.is_dir()
        dead = path.is_symlink() and not path.exists()
    except OSError as error:
        raise _unreadable(path, error) from error
    if dead:
        raise DataError(f"{path} is a link to nothing", "mend the link or remove it")
    return found


def unread_line(names: tuple[str, ...]) -> str:
    """Return the part of a message that counts and names what is not read."""
    subject = "1 entry is" if len(names) == 1 else f"{len(names)} entries are"
    return f"{subject} not read, not ending in {' '.join(SUFFIXES)}: {listed(names)}"


def _unreadable(path: Path, error: OSError) -> DataError:
    return DataError(f"cannot read {path}: {error.strerror}", "check the path and its permissions")
