"""The arrays of an NPZ file, each read when it is asked for: a board needs few of many.

`zipfile` and `numpy.load` do the same for one file, and are slow for thousands of small arrays.
A file may come from anybody: what it says of its sizes is checked before anything is unpacked, and
of its headers only plain numbers and texts are understood.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from results.errors import RecordError
from results.records.file_limits import read_limited

_ENDING = ".npy"
_LOCAL_HEADER = struct.Struct("<26x2H")
"""Of a file in a ZIP archive: sizes of its name and extra field, which stand before its bytes."""
_ENTRY = struct.Struct("<4s6xH4x3I14xI")
"""Of a file in the directory: mark, method, CRC, size packed, size, and where its header is."""
_SIZES, _SIZES_PLACE = struct.Struct("<3H"), 28
"""Sizes of name, extra field and comment, which stand after the entry."""
_END = struct.Struct("<4s6xH4xI2x")
"""After the directory: mark, how many entries it has, and where it starts."""
_STORED, _DEFLATED = 0, 8
_PREAMBLE_BYTES = 10
"""Of an array of format 1: magic, version and, in the last two, the size of its header."""
_HEADER = re.compile(
    rb"\{'descr': '([<>|](?:b1|[iu][1248]|f[248]|U\d{1,4}))', 'fortran_order': (True|False), "
    rb"'shape': \(((?:\d{1,12}, ?)*(?:\d{1,12})?)\), \} *\n?"
)
"""What numpy writes of plain arrays; nothing in it is evaluated."""
LARGEST_FILE = 256 * 2**20
_LARGEST_ARRAY, _LARGEST_UNPACKED = 256 * 2**20, 2**30
_MOST_ARRAYS = 50_000
_FAULTS = (OSError, ValueError, KeyError, EOFError, struct.error, zlib.error)

Check = Callable[[str, NDArray[Any]], None]
"""Raises a ValueError about an array that is not as it should be."""


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
            self._places = _directory(self._content())
        except _FAULTS as error:
            raise self._refusal(error) from error

    def read(self, names: Iterable[str], check: Check | None = None) -> list[NDArray[Any]]:
        """Return several arrays; the file is read once.

        Args:
            names: Of the arrays.
            check: What each of them must pass.
        """
        places = [(name, self._places[name]) for name in names]
        try:
            content = self._content()
            arrays = [_array(_unpacked(content, place)) for _, place in places]
            if check is not None:
                for (name, _), one in zip(places, arrays, strict=True):
                    check(name, one)
        except _FAULTS as error:
            raise self._refusal(error) from error
        return arrays

    def _content(self) -> bytes:
        return read_limited(self._path, LARGEST_FILE)

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
    """Those arrays whose names start with a prefix, by the rest of their names.

    Args:
        arrays: All arrays.
        prefix: What their names start with.
        check: What each must pass when it is read.
    """

    def __init__(self, arrays: StoredArrays, prefix: str, check: Check | None = None) -> None:
        self._arrays, self._prefix, self._check = arrays, prefix, check
        names = (one for one in arrays if one.startswith(prefix))
        self._names = dict.fromkeys(one.removeprefix(prefix) for one in names)

    def read(self, names: Iterable[str]) -> list[NDArray[Any]]:
        """Return several arrays; the file is read once."""
        return self._arrays.read((self._prefix + name for name in names), self._check)

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self.read([name])[0]

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
    if count > _MOST_ARRAYS:
        raise ValueError(f"it has more than {_MOST_ARRAYS} arrays")
    places: dict[str, int] = {}
    unpacked = 0
    for _ in range(count):
        mark, _, _, _, size, _ = _ENTRY.unpack_from(content, place)
        if mark != b"PK\1\2":
            raise ValueError("it is no NPZ file, or is damaged")
        if size > _LARGEST_ARRAY:
            raise ValueError(f"an array would unpack to more than {_LARGEST_ARRAY / 2**20:g} MiB")
        unpacked += size
        start = place + _ENTRY.size
        name, extra, comment = _SIZES.unpack_from(content, place + _SIZES_PLACE)
        places[content[start : start + name].decode().removesuffix(_ENDING)] = place
        place = start + name + extra + comment
    if len(places) < count:
        raise ValueError("it has two arrays of one name")
    if unpacked > _LARGEST_UNPACKED:
        raise ValueError(f"it would unpack to more than {_LARGEST_UNPACKED / 2**20:g} MiB")
    return places


def _unpacked(content: bytes, place: int) -> bytes:
    """Return the bytes of an array, never more than its entry says."""
    _, method, crc, packed, size, start = _ENTRY.unpack_from(content, place)
    start += _LOCAL_HEADER.size + sum(_LOCAL_HEADER.unpack_from(content, start))
    found = content[start : start + packed]
    if method == _DEFLATED:
        found = zlib.decompressobj(-zlib.MAX_WBITS).decompress(found, size + 1)
    elif method != _STORED:
        raise ValueError("an array is packed in an unknown way")
    if len(found) != size or zlib.crc32(found) != crc:
        raise ValueError("an array is damaged, or of another size than it says")
    return found


def _array(content: bytes) -> NDArray[Any]:
    start = _PREAMBLE_BYTES + int.from_bytes(content[8:_PREAMBLE_BYTES], "little")
    dtype, shape = _header(content[:start])
    return np.frombuffer(content, dtype, offset=start).reshape(shape)


@lru_cache(maxsize=1024)
def _header(head: bytes) -> tuple[np.dtype[Any], tuple[int, ...]]:
    """Return type and shape; most arrays of a file have the same header."""
    if head[:8] != b"\x93NUMPY\1\0":
        raise ValueError("its arrays are not of the NPY format 1.0")
    found = _HEADER.fullmatch(head[_PREAMBLE_BYTES:])
    if found is None:
        raise ValueError("it holds what is no plain array of numbers or texts")
    shape = tuple(int(one) for one in found[3].decode().split(",") if one.strip())
    if found[2] == b"True" and len(shape) > 1:
        raise ValueError("it holds what is no plain array of numbers or texts")
    return np.dtype(found[1].decode()), shape
