"""The arrays of an NPZ file, each read when it is asked for: a board needs few of many.

`zipfile` and `numpy.load` do the same for one file, and are slow for thousands of small arrays.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from results.errors import RecordError

_ENDING = ".npy"
_LOCAL_HEADER = struct.Struct("<26x2H")
"""Of a file in a ZIP archive: sizes of its name and extra field, which stand before its bytes."""
_ENTRY = struct.Struct("<10xH4x3I14xI")
"""Of a file in the directory: method, CRC, size packed, size, and where its header is."""
_SIZES, _SIZES_PLACE = struct.Struct("<3H"), 28
"""Sizes of name, extra field and comment, which stand after the entry."""
_END = struct.Struct("<4s6xH4xI2x")
"""After the directory: mark, how many entries it has, and where it starts."""
_STORED, _DEFLATED = 0, 8
_PREAMBLE_BYTES = 10
"""Of an array of format 1: magic, version and, in the last two, the size of its header."""
_FAULTS = (OSError, ValueError, KeyError, EOFError, struct.error, zlib.error)


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
            self._places = _directory(path.read_bytes())
        except _FAULTS as error:
            raise self._refusal(error) from error

    def read(self, names: Iterable[str]) -> list[NDArray[Any]]:
        """Return several arrays; the file is read once."""
        places = [self._places[name] for name in names]
        try:
            content = self._path.read_bytes()
            return [_array(_unpacked(content, place)) for place in places]
        except _FAULTS as error:
            raise self._refusal(error) from error

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self.read([name])[0]

    def __contains__(self, name: object) -> bool:  # without reading it
        return name in self._places

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def _refusal(self, error: BaseException) -> RecordError:
        return RecordError(
            f"cannot read the per-query outcomes in {self._path}: {error}",
            "restore the file, or run again to make it anew",
        )


class PrefixedArrays(Mapping[str, NDArray[Any]]):
    """Those arrays whose names start with a prefix, by the rest of their names."""

    def __init__(self, arrays: StoredArrays, prefix: str) -> None:
        self._arrays, self._prefix = arrays, prefix
        names = (one for one in arrays if one.startswith(prefix))
        self._names = dict.fromkeys(one.removeprefix(prefix) for one in names)

    def read(self, names: Iterable[str]) -> list[NDArray[Any]]:
        """Return several arrays; the file is read once."""
        return self._arrays.read(self._prefix + name for name in names)

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self._arrays[self._prefix + name]

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def _directory(content: bytes) -> dict[str, int]:
    """Return where the entry of each array in the directory of an archive starts."""
    mark, count, place = _END.unpack(content[-_END.size :])
    if mark != b"PK\5\6":
        raise ValueError("it is no NPZ file, or is cut off")
    places = {}
    for _ in range(count):
        start = place + _ENTRY.size
        name, extra, comment = _SIZES.unpack_from(content, place + _SIZES_PLACE)
        places[content[start : start + name].decode().removesuffix(_ENDING)] = place
        place = start + name + extra + comment
    return places


def _unpacked(content: bytes, place: int) -> bytes:
    method, crc, packed, size, start = _ENTRY.unpack_from(content, place)
    start += _LOCAL_HEADER.size + sum(_LOCAL_HEADER.unpack_from(content, start))
    found = content[start : start + packed]
    if method == _DEFLATED:
        found = zlib.decompress(found, -zlib.MAX_WBITS, size)
    elif method != _STORED:
        raise ValueError("an array is packed in an unknown way")
    if zlib.crc32(found) != crc:
        raise ValueError("an array is damaged")
    return found


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
