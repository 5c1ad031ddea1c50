"""What lies in a folder of images: the images, and what is not read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from benchmark.core.errors import DataError
from benchmark.core.listing import listed
from benchmark.data.layout import FOLDERS, PATTERN, SUFFIXES

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


def list_folder(folder: Path) -> FolderListing:
    """List a folder that should hold images.

    Raises:
        DataError: There is no such folder, it cannot be read, or it holds no image.
    """
    hint = f"the root must hold {', '.join(FOLDERS.values())} with images named {PATTERN}"
    if not is_folder(folder):
        raise DataError(f"no folder {folder}", hint)
    try:
        entries = [path for path in sorted(folder.iterdir()) if not path.name.startswith(".")]
    except OSError as error:
        raise _unreadable(folder, error) from error
    images = tuple(path.name for path in entries if path.suffix.lower() in SUFFIXES)
    known = {*SUFFIXES, *_HARMLESS}
    unread = tuple(path.name for path in entries if path.suffix.lower() not in known)
    if not images:
        others = f"; {unread_line(unread)}" if unread else ""
        raise DataError(f"no images in {folder}{others}", hint)
    return FolderListing(images, unread)


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
