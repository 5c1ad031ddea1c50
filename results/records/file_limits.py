"""Read a file that anybody may have written: a plain file, and no larger than it may be."""

from __future__ import annotations

import stat
from pathlib import Path


def read_limited(path: Path, most_bytes: int) -> bytes:
    """Return the bytes of a plain file.

    Raises:
        OSError: It cannot be read.
        ValueError: It is no plain file, or larger than `most_bytes`.
    """
    found = path.stat()
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(21, "Is a directory")
    if not stat.S_ISREG(found.st_mode):
        raise ValueError("it is no plain file")
    if found.st_size > most_bytes:
        raise ValueError(f"it is larger than the {most_bytes / 2**20:g} MiB that it may have")
    with path.open("rb") as stream:
        content = stream.read(found.st_size + 1)
    if len(content) > found.st_size:
        raise ValueError("it has no fixed size")
    return content
