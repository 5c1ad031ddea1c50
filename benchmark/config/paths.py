"""Paths as users write them."""

from __future__ import annotations

from pathlib import Path


def user_path(given: str | Path) -> Path:
    """Return the absolute path that a user means.

    It is absolute from the start, so that a plugin that changes the current folder moves nothing.

    Args:
        given: ``~`` stands for the home folder; what is relative starts at the current folder.

    Raises:
        ValueError: It is empty, or there is no such path on any disk.
    """
    if not str(given).strip():
        raise ValueError("the path is empty; . is the current folder")
    if "\0" in str(given):
        raise ValueError("a path holds no NUL character")
    try:
        return Path(given).expanduser().absolute()
    except RuntimeError as error:
        raise ValueError("there is no such home folder") from error
