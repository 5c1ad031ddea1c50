"""Errors that a user can mend: one line on what happened, one on what to do, and an exit code."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from difflib import get_close_matches

EXIT_OK = 0
EXIT_USAGE = 2
EXIT_DATA = 3
EXIT_PLUGIN = 4
EXIT_FLAGS = 5
EXIT_ENVIRONMENT = 6
EXIT_INTERRUPTED = 130


class BenchmarkError(Exception):
    """Base of every error that is shown to the user without a traceback.

    Args:
        what: What went wrong and where, in one line.
        hint: How to mend it, in one line; empty when there is nothing to add.
    """

    exit_code = 1

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint


class UsageError(BenchmarkError):
    """A wrong option, name or configuration value."""

    exit_code = EXIT_USAGE


class DataError(BenchmarkError):
    """Missing, broken or unusable images and splits."""

    exit_code = EXIT_DATA


class PluginError(BenchmarkError):
    """A defense or an attack broke its contract or raised."""

    exit_code = EXIT_PLUGIN


class EnvironmentProblem(BenchmarkError):  # noqa: N818
    """The machine refuses: no space left, folder not writable, a lock held by another run."""

    exit_code = EXIT_ENVIRONMENT


def causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and the errors that caused it."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or current.__context__


def unknown_name(kind: str, name: str, known: Iterable[str]) -> UsageError:
    """Build the error for a name that no registry knows, with the closest names."""
    names = sorted(known)
    close = get_close_matches(name, names, n=3, cutoff=0.5)
    if close:
        hint = f"did you mean {' or '.join(close)}?"
    else:
        hint = f"known: {', '.join(names[:20])}{' …' if len(names) > 20 else ''}"
    return UsageError(f"unknown {kind} {name!r}", hint)
