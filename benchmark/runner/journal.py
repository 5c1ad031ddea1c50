"""The journal: what happened to each cell and when, one JSON line an event, only ever appended."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

Event = Literal["started", "part", "finished", "reused", "failed", "interrupted"]


class Journal:
    """Appends events to a file; a kill can tear at most its last line.

    Args:
        path: ``OUTPUT/journal.jsonl``.
        heard: Called with each event and its cell when it is written.
    """

    def __init__(self, path: Path, heard: Callable[[Event, str], None] | None = None) -> None:
        self.path, self._heard = path, heard

    def write(self, event: Event, cell: str, **details: object) -> None:
        """Append one event of the cell with this fingerprint."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        line = json.dumps({"time": now, "event": event, "cell": cell, **details}) + "\n"
        handle = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            if self._is_torn(handle):
                line = "\n" + line
            os.write(handle, line.encode())
        finally:
            os.close(handle)
        if self._heard is not None:
            self._heard(event, cell)

    def read(self) -> list[dict[str, Any]]:
        """Return all events in order; lines that are not whole, or cannot be read, are left out."""
        try:
            text = self.path.read_text("utf-8", errors="replace")
        except OSError:
            return []
        events = []
        for line in text.splitlines():
            try:
                event = json.loads(line)
            except ValueError:
                continue
            if isinstance(event, dict) and "event" in event and "cell" in event:
                events.append(event)
        return events

    @staticmethod
    def _is_torn(handle: int) -> bool:
        size = os.lseek(handle, 0, os.SEEK_END)
        return size > 0 and os.pread(handle, 1, size - 1) != b"\n"
