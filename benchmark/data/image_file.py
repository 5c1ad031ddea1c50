"""Image files as the file system has them: what may be wrong with one before it is decoded."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from benchmark.core.errors import DataError

HINT = "fetch the file again, remove it, or leave such files out with --set on_corrupt=skip"


class ImageFileError(DataError):
    """An image file that cannot be used.

    Args:
        kind: What is wrong, as a count says it: ``dead links``, ``empty files`` …
        what: What is wrong with which file, in one line.
    """

    def __init__(self, kind: str, what: str) -> None:
        super().__init__(what, HINT)
        self.kind = kind


def file_status(path: Path) -> os.stat_result:
    """Return what the file system says of a file; links are followed.

    Raises:
        ImageFileError: There is no such file, or it is a folder or a device.
    """
    try:
        status = path.stat()
    except OSError as error:
        if path.is_symlink():
            raise ImageFileError("dead links", f"{path} is a link to nothing") from error
        raise _unreadable(path, error) from error
    if stat.S_ISDIR(status.st_mode):
        raise ImageFileError("folders", f"{path} is named like an image but is a folder")
    if not stat.S_ISREG(status.st_mode):  # reading a pipe would wait for ever
        raise ImageFileError("special files", f"{path} is named like an image but is no file")
    return status


def read_file(path: Path) -> bytes:
    """Return the bytes of a file.

    Raises:
        ImageFileError: It cannot be read.
    """
    file_status(path)
    try:
        return path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> ImageFileError:
    return ImageFileError("unreadable files", f"cannot read the image {path}: {error.strerror}")
