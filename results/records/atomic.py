"""Publish a file whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from pathlib import Path

from results.errors import WriteRefusedError

_FULL = {errno.ENOSPC, errno.EDQUOT}


def publish(path: Path, content: bytes) -> Path:
    """Write `content` to `path` so that no reader ever sees part of it.

    The bytes go to a hidden file in the same folder, reach the disk, and take the name at once.
    Folders are created as needed.

    Raises:
        WriteRefusedError: The disk is full or the folder refuses; nothing is left behind.
    """
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
        temporary = Path(name)
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        raise _refused(path, error, len(content)) from error
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                temporary.unlink()
    return path


def _sync_folder(folder: Path) -> None:
    """Make the new name itself survive a power cut, where the system lets us."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _refused(path: Path, error: OSError, size: int) -> WriteRefusedError:
    if error.errno in _FULL:
        return WriteRefusedError(
            f"no space left to write {path} ({size / 2**20:.1f} MiB)",
            "free some space or choose another --output, then run again: finished work is kept",
        )
    return WriteRefusedError(
        f"cannot write {path}: {error.strerror or error}",
        "check that the folder exists and may be written to, or choose another --output",
    )
