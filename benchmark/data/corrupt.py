"""Which image files cannot be decoded: looked at once, remembered by size and time of change."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any

from benchmark.core.errors import DataError
from benchmark.core.progress import Progress
from benchmark.data.cache import publish
from benchmark.data.decode import decode_file

_TINY = (8, 8)
_SHOWN = 20


class DecodingCheck:
    """Tries to decode the files of a data set.

    Args:
        root: Folder that the files are in.
        store: Where to remember what was found.
        progress: Reporter of the work.
        workers: Threads; None takes all cores.
    """

    def __init__(self, root: Path, store: Path, progress: Progress, workers: int | None) -> None:
        self._root, self._store = root, store
        self._progress, self._workers = progress, workers
        self._known = self._load()

    def broken(self, names: Sequence[str]) -> list[str]:
        """Return those of some files, named relative to the root, that cannot be decoded."""
        stamps = {name: self._stamp(name) for name in names}
        fresh = [name for name in names if self._known.get(name, [])[:2] != stamps[name]]
        if fresh:
            with (
                self._progress.task("checking images", len(fresh)) as bar,
                ThreadPoolExecutor(self._workers) as pool,
            ):
                for name, decodes in zip(fresh, pool.map(self._decodes, fresh), strict=True):
                    self._known[name] = [*stamps[name], decodes]
                    bar.advance()
            publish(self._store, self._dump)
        return [name for name in names if not self._known[name][2]]

    def _stamp(self, name: str) -> list[int]:
        stat = (self._root / name).stat()
        return [stat.st_size, stat.st_mtime_ns]

    def _decodes(self, name: str) -> bool:
        try:
            decode_file(self._root / name, _TINY)
        except DataError:
            return False
        return True

    def _load(self) -> dict[str, list[Any]]:
        try:
            stored = json.loads(self._store.read_text(encoding="utf-8"))
            if stored["root"] == str(self._root.resolve()):
                return {name: entry for name, entry in stored["files"].items() if len(entry) == 3}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            pass
        return {}

    def _dump(self, stream: IO[bytes]) -> None:
        content = {"root": str(self._root.resolve()), "files": self._known}
        stream.write(json.dumps(content).encode())


def skipped_line(names: Sequence[str]) -> str:
    """Return the warning that counts and names files that were left out."""
    shown = ", ".join(names[:_SHOWN])
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    files = "file" if len(names) == 1 else "files"
    return f"{len(names)} {files} cannot be decoded and {_are(names)} left out: {shown}{more}"


def _are(names: Sequence[str]) -> str:
    return "is" if len(names) == 1 else "are"
