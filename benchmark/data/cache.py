"""Decoded pixels on disk: written once, checked to the last bit when opened, memory mapped."""

from __future__ import annotations

import hashlib
import io
import json
import logging
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from benchmark.core.errors import EnvironmentProblem
from benchmark.core.files import disk_errors, publish

LOCK_SECONDS = 3600.0
_LOG = logging.getLogger(__name__)


class PixelCache:
    """Pixels of the splits of one data set at one resolution.

    Args:
        folder: Folder of this data set, resolution and version.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def array_path(self, split: str) -> Path:
        """Return the file that holds the pixels of `split`."""
        return self.folder / f"{split}.npy"

    def record_path(self, split: str) -> Path:
        """Return the file that says what the pixels of `split` are."""
        return self.folder / f"{split}.json"

    def record(self, split: str) -> dict[str, Any] | None:
        """Return names, shape and SHA-256 of the pixels of `split`; None if there is no record."""
        try:
            record = json.loads(self.record_path(split).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        usable = isinstance(record, dict) and {"names", "shape", "sha256"} <= record.keys()
        return record if usable else None

    def is_damaged(self, split: str) -> bool:
        """Whether there are pixels of `split` that are not what was written."""
        record = self.record(split)
        if record is None:
            return False
        pixels = self._map(split, record["shape"])
        return pixels is None or _sha256(pixels) != record["sha256"]

    def load(
        self,
        split: str,
        names: Sequence[str],
        image_size: tuple[int, int],
        render: Callable[[], Iterator[NDArray[np.uint8]]],
    ) -> NDArray[np.uint8]:
        """Return the pixels of `split` as a read-only memory map, rendering them if need be.

        Args:
            split: Name of the split.
            names: File names, in order.
            image_size: Height and width.
            render: Yields pixels uint8 (n, H, W, 3) in the order of `names`.

        Raises:
            EnvironmentProblem: The disk refuses, or another process holds the lock for too long.
        """
        shape = (len(names), *image_size, 3)
        found = self._open(split, names, shape)
        if found is not None:
            return found
        with disk_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.folder / f"{split}.lock", timeout=LOCK_SECONDS)
            try:
                with lock:
                    found = self._open(split, names, shape)
                    if found is None:
                        self._write(split, names, shape, render())
                        found = self._open(split, names, shape)
            except Timeout as error:
                raise EnvironmentProblem(
                    f"another process has held {lock.lock_file} for over an hour",
                    "wait for it, or end it and remove the lock file",
                ) from error
        if found is None:
            raise EnvironmentProblem(
                f"the pixels written to {self.array_path(split)} read back differently",
                "check the disk, or point --cache-dir at another one",
            )
        return found

    def _open(
        self, split: str, names: Sequence[str], shape: tuple[int, ...]
    ) -> NDArray[np.uint8] | None:
        path, record = self.array_path(split), self.record(split)
        if record is None or not path.exists():
            return None
        if record["names"] != list(names) or record["shape"] != list(shape):
            _LOG.warning("the cache file %s does not fit; it is made again", path)
            return None
        pixels = self._map(split, shape)
        if pixels is None or _sha256(pixels) != record["sha256"]:
            _LOG.warning("the cache file %s is damaged; it is made again", path)
            return None
        return pixels

    def _map(self, split: str, shape: Sequence[int]) -> NDArray[np.uint8] | None:
        """Return the pixels of a file that has the header and the size of its shape, else None."""
        path = self.array_path(split)
        try:
            header = _header(shape)
            with path.open("rb") as stream:
                fits = stream.read(len(header)) == header
            if not fits or path.stat().st_size != len(header) + math.prod(shape):
                return None
            return np.memmap(path, np.uint8, "r", offset=len(header), shape=tuple(shape))
        except (OSError, ValueError, TypeError):
            return None

    def _write(
        self,
        split: str,
        names: Sequence[str],
        shape: tuple[int, ...],
        chunks: Iterator[NDArray[np.uint8]],
    ) -> None:
        digest = hashlib.sha256()

        def write(stream: IO[bytes]) -> None:
            stream.write(_header(shape))
            count = 0
            for chunk in chunks:
                data = np.ascontiguousarray(chunk).tobytes()
                digest.update(data)
                stream.write(data)
                count += len(chunk)
            if count != shape[0]:
                raise RuntimeError(f"{count} images came for {shape[0]} names of {split}")

        self.record_path(split).unlink(missing_ok=True)
        publish(self.array_path(split), write)
        record = {"names": list(names), "shape": list(shape), "sha256": digest.hexdigest()}
        publish(self.record_path(split), json.dumps(record).encode())


def _header(shape: Sequence[int]) -> bytes:
    """Return the start of a .npy file of bytes."""
    stream = io.BytesIO()
    header = {"descr": "|u1", "fortran_order": False, "shape": tuple(shape)}
    np.lib.format.write_array_header_1_0(stream, header)
    return stream.getvalue()


def _sha256(pixels: NDArray[np.uint8]) -> str:
    digest = hashlib.sha256()
    for start in range(0, len(pixels), 256):
        digest.update(np.ascontiguousarray(pixels[start : start + 256]).data)
    return digest.hexdigest()
