"""A finished cell, or a part of one, on its way between two stores that share no folder."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from benchmark.core.errors import EnvironmentProblem
from benchmark.runner.published_folder import draft_of, read_card
from benchmark.runner.store import CARD_FILE, PART_FILE, STORE_VERSION, CellStore


@dataclass(frozen=True)
class PackedFolder:
    """A published folder as bytes.

    Attributes:
        fingerprint: Fingerprint of the cell.
        part: The part of it; None: the cell itself.
        files: Its files, by their names in the folder.
    """

    fingerprint: str
    part: str | None
    files: dict[str, bytes]

    @classmethod
    def of(cls, store: CellStore, fingerprint: str, part: str | None) -> PackedFolder:
        """Read a folder that is published in a store."""
        folder = store.path(fingerprint, part)
        found = (path for path in sorted(folder.rglob("*")) if path.is_file())
        files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}
        return cls(fingerprint, part, files)

    def unpack(self, store: CellStore) -> None:
        """Publish it in a store, in one step, unless that has it.

        Raises:
            EnvironmentProblem: It was damaged on the way, or the disk refuses.
        """
        target = store.path(self.fingerprint, self.part)
        if os.path.lexists(target) and self._is_sound(target):
            return
        with draft_of(target) as draft:
            for name, content in self.files.items():
                path = draft / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            if not self._is_sound(draft):
                raise EnvironmentProblem(
                    f"cell {self.fingerprint[:16]} was damaged on its way between two machines",
                    "run the same command again; what is finished is kept",
                )

    def _is_sound(self, folder: Path) -> bool:
        expected: dict[str, object] = {"version": STORE_VERSION, "fingerprint": self.fingerprint}
        if self.part is not None:
            expected["part"] = self.part
        try:
            card = CARD_FILE if self.part is None else PART_FILE
            return read_card(folder, card, expected) is not None
        except Exception:  # whatever a damaged file makes a reader raise
            return False
