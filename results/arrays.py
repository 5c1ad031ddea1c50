"""The arrays of an NPZ file, each read when it is asked for: a board needs few of many."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from results.errors import RecordError

_ENDING = ".npy"
_LOCAL_HEADER_BYTES = 30
"""Of a file in a ZIP archive; its name and extra field follow, whose sizes are bytes 26 to 30."""
_PREAMBLE_BYTES = 10
"""Of an array of format 1: magic, version and, in the last two, the size of its header."""
_FAULTS = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error)


class StoredArrays(Mapping[str, NDArray[Any]]):
    """Arrays by name. Nothing is kept: what is asked for twice is read twice.

    Args:
        path: The file.

    Raises:
        RecordError: It is missing or is no such file; a damaged array is told when it is read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            with zipfile.ZipFile(path) as archive:
                files = archive.infolist()
        except _FAULTS as error:
            raise self._refusal(error) from error
        self._files = {one.filename.removesuffix(_ENDING): one for one in files}

    def __getitem__(self, name: str) -> NDArray[Any]:
        found = self._files[name]
        try:
            return _array(self._content(found))
        except _FAULTS as error:
            raise self._refusal(error) from error

    def __contains__(self, name: object) -> bool:  # without reading it
        return name in self._files

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)

    def _content(self, found: zipfile.ZipInfo) -> bytes:
        with self._path.open("rb") as stream:
            stream.seek(found.header_offset)
            head = stream.read(_LOCAL_HEADER_BYTES)
            skipped = int.from_bytes(head[26:28], "little") + int.from_bytes(head[28:30], "little")
            stream.seek(skipped, io.SEEK_CUR)
            content = stream.read(found.compress_size)
        if found.compress_type == zipfile.ZIP_DEFLATED:
            content = zlib.decompress(content, -zlib.MAX_WBITS, found.file_size)
        if zlib.crc32(content) != found.CRC:
            raise ValueError(f"{found.filename} is damaged")
        return content

    def _refusal(self, error: BaseException) -> RecordError:
        return RecordError(
            f"cannot read the per-query outcomes in {self._path}: {error}",
            "restore the file, or run again to make it anew",
        )


class Part(Mapping[str, NDArray[Any]]):
    """Those arrays whose names start with a prefix, by the rest of their names."""

    def __init__(self, arrays: StoredArrays, prefix: str) -> None:
        self._arrays, self._prefix = arrays, prefix
        names = (one for one in arrays if one.startswith(prefix))
        self._names = dict.fromkeys(one.removeprefix(prefix) for one in names)

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self._arrays[self._prefix + name]

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def _array(content: bytes) -> NDArray[Any]:
    start = _PREAMBLE_BYTES + int.from_bytes(content[8:_PREAMBLE_BYTES], "little")
    dtype, shape = _header(content[:start])
    return np.frombuffer(content, dtype, offset=start).reshape(shape)


@cache
def _header(head: bytes) -> tuple[np.dtype[Any], tuple[int, ...]]:
    """Return type and shape; most arrays of a file have the same header."""
    stream = io.BytesIO(head)
    if np.lib.format.read_magic(stream) != (1, 0):
        raise ValueError("its arrays are not of the NPY format 1.0")
    shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream)
    if dtype.hasobject or (fortran and len(shape) > 1):
        raise ValueError("it holds what is no plain array")
    return dtype, shape
