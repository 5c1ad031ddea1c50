"""Paths on the command line."""

from __future__ import annotations

from pathlib import Path

import typer

from benchmark.config.data_roots import data_roots
from benchmark.config.paths import user_path


def absolute(text: str | Path) -> Path:
    """Return the path of an option or an argument, absolute."""
    try:
        return user_path(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def as_given(text: str | Path) -> Path:
    """Return the path of a command that runs no plugin as it was written, for what it prints."""
    absolute(text)
    return Path(text).expanduser()


def root(text: str) -> str:
    """Return DIR or ``NAME=DIR`` as it was written, which the configuration reads."""
    try:
        data_roots(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    return text
