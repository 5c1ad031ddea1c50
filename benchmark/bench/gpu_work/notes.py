"""What of the list is done, kept in one file beside the cells."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmark.core.files import publish


@dataclass(frozen=True)
class Note:
    """What is known of an entry.

    Attributes:
        finished: Whether it came to its end.
        seconds: What it took so far, over all attempts.
        published: Files in ``results/published`` that are its own.
        place: Device and commit of the last attempt.
    """

    finished: bool = False
    seconds: float = 0.0
    published: tuple[str, ...] = ()
    place: tuple[str, ...] = ()


@dataclass
class Notes:
    """The notes of all entries.

    Attributes:
        path: Where they are kept.
    """

    path: Path
    _notes: dict[str, Note] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> Notes:
        """Return the notes in a file; none if there is no file."""
        kept = json.loads(path.read_text("utf-8")) if path.is_file() else {}
        return cls(path, {name: _note(one) for name, one in kept.items()})

    def of(self, name: str) -> Note:
        """Return the note of an entry."""
        return self._notes.get(name, Note())

    def keep(self, name: str, note: Note) -> None:
        """Keep the note of an entry."""
        self._notes[name] = note
        self.path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps({name: asdict(one) for name, one in self._notes.items()}, indent=2)
        publish(self.path, text.encode())


def _note(kept: Mapping[str, Any]) -> Note:
    published, place = tuple(kept["published"]), tuple(kept["place"])
    return Note(kept["finished"], kept["seconds"], published, place)
