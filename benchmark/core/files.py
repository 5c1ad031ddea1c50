"""Files that are there whole or not at all, and a disk that refuses, told in the user's words.

`results` has a writer of its own (`results/atomic.py`), as it does without `benchmark`.
"""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from benchmark.core.errors import EnvironmentProblem, causes

PARTIAL = ".partial"
"""How the names of files end that are being written."""

_FULL = (errno.ENOSPC, errno.EDQUOT)
_FULL_TEXTS = ("No space left on device", "os error 28", "Disk quota exceeded")
_CLOSED = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST)
_BROKEN = (errno.EIO, errno.EISDIR, errno.ELOOP)
"""The disk is broken, or something else has the name; of a plugin's own files, it is a fault."""


def is_disk_full(error: BaseException) -> bool:
    """Whether an error, or one behind it, says that the disk is full."""
    return any(
        (isinstance(one, OSError) and one.errno in _FULL)
        or any(text in str(one) for text in _FULL_TEXTS)
        for one in causes(error)
    )


def disk_problem(error: BaseException, place: Path) -> EnvironmentProblem | None:
    """Return what the disk refused, or None if it is not to blame.

    Args:
        error: What was raised.
        place: What is written to.
    """
    return _problem(error, place, getattr(error, "filename", None), _CLOSED)


@contextmanager
def disk_errors(place: Path) -> Iterator[None]:
    """Turn a refusal of the file system into an error that says how to mend it."""
    try:
        yield
    except OSError as error:
        # A first name may be that of a draft.
        problem = _problem(error, place, error.filename2, _CLOSED + _BROKEN)
        if problem is None:
            raise
        raise problem from error


def _problem(
    error: BaseException, place: Path, name: str | None, refusals: tuple[int, ...]
) -> EnvironmentProblem | None:
    if is_disk_full(error):
        return EnvironmentProblem(
            f"no space left on the disk of {place}",
            "free some space, or choose another disk with --output or --cache-dir, and run the "
            "same command again; what is finished is kept",
        )
    if isinstance(error, OSError) and error.errno in refusals:
        return EnvironmentProblem(
            f"cannot write to {name or place}: {error.strerror}",
            "make the folder writable and move away what is in the way, or choose another one "
            "with --output or --cache-dir",
        )
    return None


def publish(target: Path, content: bytes | Callable[[IO[bytes]], None]) -> None:
    """Write a file so that a reader, or a kill, finds the old one or the new one.

    Args:
        target: The file; its folder is made if it is not there.
        content: The bytes, or what writes them to a stream.

    Raises:
        EnvironmentProblem: The disk is full or the folder is not writable.
    """
    with disk_errors(target.parent):
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(PARTIAL, f".{target.name}.", target.parent)
        try:
            with os.fdopen(handle, "wb") as stream:
                if isinstance(content, bytes):
                    stream.write(content)
                else:
                    content(stream)
                stream.flush()
                os.fsync(stream.fileno())
            Path(name).chmod(0o644)
            Path(name).replace(target)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
