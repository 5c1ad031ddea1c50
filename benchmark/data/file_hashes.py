"""The identity of files by their content; a file that did not change is not read again."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmark.core.progress import Progress
from benchmark.data.decode import DECODING_RULE, has_own_rule
from benchmark.data.file_memory import FileMemory, Stamp, stamp_of
from benchmark.data.image_file import ImageFileError, read_file


class FileHashes:
    """Hashes of the files of a data set.

    Args:
        root: Folder that the files are in.
        store: Where hashes are remembered.
        progress: Reporter of the work.
        title: What progress is reported under.
    """

    def __init__(self, root: Path, store: Path, progress: Progress, title: str) -> None:
        self._root, self._progress, self._title = root, progress, title
        self._memory = FileMemory(root, store)

    def content(self, names: Sequence[str]) -> list[list[Any]]:
        """Return path, size and SHA-256 of files, and the decoding rule if they have one.

        Raises:
            ImageFileError: A file cannot be read.
        """
        found: dict[str, tuple[Stamp, Any]] = {}
        with self._progress.task(self._title, len(names)) as bar:
            for name in names:
                stamp = stamp_of(self._root / name)
                found[name] = (stamp, self._memory.recall(name, stamp) or self._hash(name))
                bar.advance()
        self._memory.remember(found)
        return sorted(
            [name, stamp[0], sha256, *([DECODING_RULE] if own_rule else [])]
            for name, (stamp, (sha256, own_rule)) in found.items()
        )

    def changed(self, names: Sequence[str]) -> list[str]:
        """Read files again; return those that changed while size and time of change did not.

        Files that cannot be read are passed over.
        """
        found: dict[str, tuple[Stamp, Any]] = {}
        with self._progress.task(self._title, len(names)) as bar:
            for name in names:
                try:
                    found[name] = (stamp_of(self._root / name), self._hash(name))
                except ImageFileError:
                    continue
                finally:
                    bar.advance()
        before = {name: self._memory.last(name) for name in found}
        self._memory.remember(found)
        return [
            name
            for name, (stamp, fact) in found.items()
            if (last := before[name]) and last[0][:2] == stamp[:2] and last[1] != fact
        ]

    def _hash(self, name: str) -> list[Any]:
        data = read_file(self._root / name)
        return [hashlib.sha256(data).hexdigest(), has_own_rule(data)]
