"""Finished cells on disk: published whole or not at all, found again by fingerprint."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.core.provenance import UNKNOWN_ENVIRONMENT
from benchmark.metrics.ranking import RankingResult
from benchmark.runner.cells.work import Work, Write
from benchmark.runner.published_folder import DRAFT, publish_folder, read_card, remove_folder

CARD_FILE = "cell.json"
PART_FILE = "part.json"
PARTS = "parts"
ARRAYS_FILE = "arrays.npz"
STORE_VERSION = 1
RANKING_ARRAYS = ("ap", "inp", "rank")

Arrays = Mapping[str, NDArray[Any]]
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class StoredCell:
    """A finished cell, or a part of one.

    Attributes:
        folder: Its folder.
        outcome: Its figures.
        environment: Versions and device that computed it.
    """

    folder: Path
    outcome: dict[str, Any]
    environment: dict[str, Any]

    def arrays(self, *names: str) -> dict[str, NDArray[Any]]:
        """Return some arrays of the cell by name, or all of them."""
        with np.load(self.folder / ARRAYS_FILE, allow_pickle=False) as stored:
            return {name: stored[name] for name in names or stored.files}

    def array_names(self) -> list[str]:
        """Return the names of its arrays."""
        with np.load(self.folder / ARRAYS_FILE, allow_pickle=False) as stored:
            return list(stored.files)

    def ranking(self) -> RankingResult:
        """Return the outcome of each query; `ranking_arrays` is what keeps it."""
        return RankingResult(**self.arrays(*RANKING_ARRAYS))


class CellStore:
    """The finished and half-finished cells of an output folder.

    Args:
        folder: ``OUTPUT/cells``.
        environment: Versions and device of this process, kept with what it computes.

    Attributes:
        environment: That of this process.
        environments: Of all cells that were found or published so far, each once.
    """

    def __init__(self, folder: Path, environment: Mapping[str, Any] | None = None) -> None:
        self.folder = folder
        self.environment = dict(environment or UNKNOWN_ENVIRONMENT)
        self._sound: set[str] = set()
        self.environments: list[dict[str, Any]] = []

    def path(self, fingerprint: str, part: str | None = None) -> Path:
        """Return where a cell, or a part of it, is published."""
        if part is None:
            return self.folder / fingerprint
        return self._work(fingerprint) / PARTS / part

    def find(self, fingerprint: str) -> StoredCell | None:
        """Return a finished cell, or None if there is none or it is damaged.

        Its files are read once to compare their hashes; later calls look at the card alone.
        """
        folder = self.path(fingerprint)
        if not os.path.lexists(folder):
            return None
        expected = {"version": STORE_VERSION, "fingerprint": fingerprint}
        try:
            trusted = fingerprint in self._sound
            card = read_card(folder, CARD_FILE, expected, trusted=trusted)
            if card is not None:
                return self._stored(folder, card["outcome"], card.get("environment"))
        except Exception as error:  # whatever a damaged file makes a reader raise
            logger.debug("the cell %s cannot be read", folder, exc_info=error)
        logger.warning("the cell %s is damaged; it is computed again", folder)
        return None

    def get(self, fingerprint: str) -> StoredCell:
        """Return a finished cell that must be there."""
        found = self.find(fingerprint)
        if found is None:
            raise RuntimeError(f"cell {fingerprint} is not finished")
        return found

    def publish(self, cell: Work, write: Write) -> StoredCell:
        """Write a cell beside its place, flush it to disk, and move it there in one step.

        Args:
            cell: What was computed.
            write: Writes files into the given folder and returns the figures of the cell.

        Raises:
            EnvironmentProblem: The disk is full or refuses; nothing half-written stays.
        """
        head = {
            "version": STORE_VERSION,
            "fingerprint": cell.fingerprint,
            "label": cell.label,
            "content": cell.content,
            "environment": self.environment,
        }
        target = self.path(cell.fingerprint)
        outcome = publish_folder(target, CARD_FILE, head, write)
        return self._stored(target, outcome, self.environment)

    def publish_part(self, cell: Work, part: str, write: Write) -> None:
        """Keep a part of a cell in its working folder; see `publish`."""
        target = self.path(cell.fingerprint, part)
        publish_folder(target, PART_FILE, _head_of_part(cell, part), write)

    def find_part(self, cell: Work, part: str) -> StoredCell | None:
        """Return a part of a cell that is kept, or None if there is none or it is damaged."""
        folder = self.path(cell.fingerprint, part)
        if not os.path.lexists(folder):
            return None
        try:
            card = read_card(folder, PART_FILE, _head_of_part(cell, part))
        except Exception as error:  # whatever a damaged file makes a reader raise
            logger.debug("the part %s cannot be read", folder, exc_info=error)
            card = None
        if card is None:
            logger.warning("the part %s is damaged; it is computed again", folder)
            return None
        return StoredCell(folder, card["outcome"], self.environment)

    def get_part(self, cell: Work, part: str) -> StoredCell:
        """Return a part of a cell that must be there."""
        found = self.find_part(cell, part)
        if found is None:
            raise RuntimeError(f"part {part} of cell {cell.fingerprint} is not kept")
        return found

    def _stored(
        self, folder: Path, outcome: dict[str, Any], environment: dict[str, Any] | None
    ) -> StoredCell:
        self._sound.add(folder.name)
        place = environment or UNKNOWN_ENVIRONMENT
        if place not in self.environments:
            self.environments.append(place)
        return StoredCell(folder, outcome, place)

    def work_dir(self, cell: Work) -> Path:
        """Return the folder in which a cell keeps what outlives an interruption."""
        return self._work(cell.fingerprint)

    def _work(self, fingerprint: str) -> Path:
        return self.folder / f".work-{fingerprint[:16]}"

    def tidy_work(self, cell: Work) -> None:
        """Remove half-written files from the working folder of a cell, which stays."""
        for path in self.work_dir(cell).rglob("*.partial"):
            path.unlink(missing_ok=True)

    def forget_work(self, cell: Work) -> None:
        """Remove the working folder of a cell."""
        remove_folder(self.work_dir(cell))

    def clean_up(self) -> None:
        """Remove what interrupted publications left behind; working folders stay."""
        if self.folder.is_dir():
            drafts = f"{DRAFT}*"
            for path in (
                *self.folder.glob(drafts),
                *self.folder.glob(f".work-*/{PARTS}/{drafts}"),
            ):
                remove_folder(path)


def save_arrays(folder: Path, **arrays: NDArray[Any]) -> None:
    """Write the arrays of a cell into its folder."""
    with (folder / ARRAYS_FILE).open("wb") as stream:
        np.savez(stream, allow_pickle=False, **arrays)


def ranking_arrays(ranking: RankingResult, prefix: str = "") -> dict[str, NDArray[Any]]:
    """Return the outcome of each query as arrays of a cell."""
    return {f"{prefix}{name}": getattr(ranking, name) for name in RANKING_ARRAYS}


def _head_of_part(cell: Work, part: str) -> dict[str, object]:
    return {"version": STORE_VERSION, "fingerprint": cell.fingerprint, "part": part}
