"""Finished cells on disk: published whole or not at all, found again by fingerprint."""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.core.provenance import UNKNOWN_ENVIRONMENT
from benchmark.metrics.ranking import RankingResult
from benchmark.runner.cells.work import Work, Write
from benchmark.runner.error_translation import machine_problems
from benchmark.runner.integrity import hash_files, is_sound, sealed

CARD_FILE = "cell.json"
ARRAYS_FILE = "arrays.npz"
STORE_VERSION = 1
RANKING_ARRAYS = ("ap", "inp", "rank")

Arrays = Mapping[str, NDArray[Any]]
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class StoredCell:
    """A finished cell.

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

    def path(self, fingerprint: str) -> Path:
        """Return where a cell is published."""
        return self.folder / fingerprint

    def find(self, fingerprint: str) -> StoredCell | None:
        """Return a finished cell, or None if there is none or it is damaged.

        Its files are read once to compare their hashes; later calls look at the card alone.
        """
        folder = self.path(fingerprint)
        if not os.path.lexists(folder):
            return None
        try:
            card = json.loads((folder / CARD_FILE).read_text("utf-8"))
            sizes = {name: (folder / name).stat().st_size for name in card["files"]}
            known = card["version"] == STORE_VERSION and card["fingerprint"] == fingerprint
            whole = known and sizes == card["files"]
            if whole and (fingerprint in self._sound or is_sound(folder, card)):
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
        partial = self.folder / f".partial-{cell.fingerprint}"
        target = self.path(cell.fingerprint)
        try:
            with machine_problems(self.folder):
                _remove(partial)
                partial.mkdir(parents=True)
                outcome = write(partial)
                _write_card(partial, cell, outcome, self.environment)
                for path in (*partial.rglob("*"), partial):
                    _flush(path)
                _remove(target)
                partial.rename(target)
                _flush(self.folder)
        except BaseException:
            _remove(partial)
            raise
        return self._stored(target, outcome, self.environment)

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
        return self.folder / f".work-{cell.fingerprint[:16]}"

    def tidy_work(self, cell: Work) -> None:
        """Remove half-written files from the working folder of a cell, which stays."""
        for path in self.work_dir(cell).rglob("*.partial"):
            path.unlink(missing_ok=True)

    def forget_work(self, cell: Work) -> None:
        """Remove the working folder of a cell."""
        _remove(self.work_dir(cell))

    def clean_up(self) -> None:
        """Remove what interrupted publications left behind; working folders stay."""
        if self.folder.is_dir():
            for path in self.folder.glob(".partial-*"):
                _remove(path)


def save_arrays(folder: Path, **arrays: NDArray[Any]) -> None:
    """Write the arrays of a cell into its folder."""
    with (folder / ARRAYS_FILE).open("wb") as stream:
        np.savez(stream, allow_pickle=False, **arrays)


def ranking_arrays(ranking: RankingResult, prefix: str = "") -> dict[str, NDArray[Any]]:
    """Return the outcome of each query as arrays of a cell."""
    return {f"{prefix}{name}": getattr(ranking, name) for name in RANKING_ARRAYS}


def _write_card(
    folder: Path, cell: Work, outcome: dict[str, Any], environment: dict[str, Any]
) -> None:
    files = {
        path.relative_to(folder).as_posix(): path.stat().st_size
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    card = {
        "version": STORE_VERSION,
        "fingerprint": cell.fingerprint,
        "label": cell.label,
        "content": cell.content,
        "outcome": outcome,
        "environment": environment,
        "files": files,
        "sha256": hash_files(folder, list(files)),
    }
    plain = json.loads(json.dumps(card, default=_plain))
    text = json.dumps(sealed(plain), indent=2, sort_keys=True)
    (folder / CARD_FILE).write_text(text + "\n", "utf-8")


def _plain(value: object) -> object:
    """Express what a plugin put into its report and JSON does not know."""
    return value.item() if isinstance(value, np.generic) else str(value)


def _remove(folder: Path) -> None:
    """Remove a folder, or a file in its place; one that was made read-only, too."""
    if folder.is_symlink() or folder.is_file():
        folder.unlink()
        return
    with suppress(OSError):
        folder.chmod(0o700)
    shutil.rmtree(folder, ignore_errors=True)


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
