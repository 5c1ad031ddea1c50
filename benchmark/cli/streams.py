"""Standard streams for one command: they end no run, and keep stdout clean for a document.

What a run computed is on disk by the time it is printed. So what cannot be written to a stream is
dropped: characters that its encoding lacks, what nobody reads any more, what the disk has no room
for. For ``--json``, everything that is printed goes to stderr, by Python, by C and by processes
that were started, and stdout gets the one document in the end.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

_STDOUT, _STDERR = 1, 2
_LENIENT = ("replace", "backslashreplace", "ignore", "xmlcharrefreplace", "namereplace")
"""Error handlers of an encoding that never raise."""


class _Descriptor(io.RawIOBase):
    """Writes to a file descriptor until that fails; drops everything after it.

    Attributes:
        error: Why it failed.
    """

    def __init__(self, number: int) -> None:
        self._number = number
        self.error: OSError | None = None

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._number

    def isatty(self) -> bool:
        return os.isatty(self._number)

    def write(self, data: bytes | memoryview) -> int:  # type: ignore[override]
        if self.error is None:
            try:
                return os.write(self._number, data)
            except OSError as error:
                self.error = error
        return len(data)


class Stdout:
    """What one command gives to standard output.

    Attributes:
        stream: Writes there, whatever ``sys.stdout`` is.
    """

    def __init__(self, stream: TextIO) -> None:
        self.stream, self._descriptor = _lenient(stream)

    @property
    def error(self) -> OSError | None:
        """Why not everything could be written."""
        with suppress(OSError):
            self.stream.flush()
        return None if self._descriptor is None else self._descriptor.error


def _lenient(stream: TextIO, *, by_line: bool = False) -> tuple[TextIO, _Descriptor | None]:
    """Return a stream to the same place that never raises; one in memory as it is."""
    try:
        number = stream.fileno()
    except (OSError, ValueError):
        return stream, None
    with suppress(OSError):
        stream.flush()
    descriptor = _Descriptor(number)
    text = io.TextIOWrapper(
        io.BufferedWriter(descriptor),  # type: ignore[type-var]
        encoding=stream.encoding,
        errors=stream.errors if stream.errors in _LENIENT else "replace",
        line_buffering=by_line or descriptor.isatty(),
    )
    return text, descriptor


@contextmanager
def standard_streams(*, for_document: bool) -> Iterator[Stdout]:
    """Replace ``sys.stdout`` and ``sys.stderr`` while a command works.

    Args:
        for_document: Whether standard output is for a document alone.
    """
    before = sys.stdout, sys.stderr
    sys.stderr = _lenient(sys.stderr, by_line=True)[0]
    try:
        if for_document:
            with _printing_to_stderr() as place:
                yield Stdout(place)
        else:
            stdout = Stdout(sys.stdout)
            sys.stdout = stdout.stream
            yield stdout
    finally:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):  # a plugin may have put its own there
                stream.flush()
        sys.stdout, sys.stderr = before


@contextmanager
def _printing_to_stderr() -> Iterator[TextIO]:
    """Send what is printed to stderr, and yield a stream to what was standard output."""
    import ctypes

    stdout = sys.stdout
    with suppress(OSError):
        stdout.flush()
    kept = os.dup(_STDOUT)
    try:
        place: TextIO = os.fdopen(os.dup(stdout.fileno()), "w", encoding=stdout.encoding)
    except (OSError, ValueError):  # a stream in memory
        place = stdout
    print_to_stderr()
    try:
        yield place
    finally:
        ctypes.CDLL(None).fflush(None)  # what C printed waits in a buffer of its own
        os.dup2(kept, _STDOUT)
        os.close(kept)


def print_to_stderr() -> None:
    """Send to stderr what this process and those that it starts print to stdout from now on."""
    os.dup2(_STDERR, _STDOUT)
    sys.stdout = sys.stderr


def open_closed_streams() -> None:
    """Open standard streams that the caller closed, to nowhere.

    Else the next file that is opened takes their number, and what is printed lands in it.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number
            setattr(sys, name, os.fdopen(number, "r" if number == 0 else "w", closefd=False))


def drop_unusable_sizes() -> None:
    """Forget a size of the terminal that nothing can be laid out in: rich believes any."""
    for name, least in (("COLUMNS", 20), ("LINES", 2)):
        size = os.environ.get(name, "")
        if not (size.isascii() and size.isdigit() and len(size) < 5 and int(size) >= least):
            os.environ.pop(name, None)
