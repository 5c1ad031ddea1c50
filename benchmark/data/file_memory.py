"""What is known of files, remembered by size and times, so that each need be read once only."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmark.core.files import publish
from benchmark.data.image_file import file_status

Stamp = list[int]
"""Size, and times of the last change of content and of status, in nanoseconds."""


def stamp_of(path: Path) -> Stamp:
    """Return what tells whether a file is still the same, without reading it.

    Raises:
        ImageFileError: There is no such file.
    """
    status = file_status(path)
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns]


class FileMemory:
    """Facts of JSON types about the files of one folder, each with the stamp that it holds for.

    Args:
        root: The folder.
        store: Where the facts are kept; a damaged store is as good as none.
    """

    def __init__(self, root: Path, store: Path) -> None:
        self._root, self._store = str(root.resolve()), store
        self._entries: dict[str, tuple[Stamp, Any]] = {}
        try:
            stored = json.loads(store.read_text(encoding="utf-8"))
            if stored["root"] == self._root:
                self._entries = {n: (stamp, fact) for n, (stamp, fact) in stored["facts"].items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            self._entries = {}

    def recall(self, name: str, stamp: Stamp) -> Any | None:
        """Return the fact about a file if it holds for `stamp`."""
        known, fact = self._entries.get(name, (None, None))
        return fact if known == stamp else None

    def last(self, name: str) -> tuple[Stamp, Any] | None:
        """Return stamp and fact of a file as they were last remembered."""
        return self._entries.get(name)

    def remember(self, facts: Mapping[str, tuple[Stamp, Any]]) -> None:
        """Add facts, and write all of them down if one is new."""
        if any(self._entries.get(name) != entry for name, entry in facts.items()):
            self._entries.update(facts)
            facts_of_root = {"root": self._root, "facts": self._entries}
            publish(self._store, json.dumps(facts_of_root).encode())
