"""Event files for TensorBoard, derived from what a run keeps.

They are written when the journal says that a cell is finished or was finished earlier, so that
they hold the same whether a run was stopped or not; they can be deleted and are written again.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.core.errors import EnvironmentProblem
from benchmark.runner.cells.attack import AttackCell
from benchmark.runner.cells.train import TrainCell
from benchmark.runner.cells.work import Work
from benchmark.runner.error_translation import machine_problems
from benchmark.runner.journal import Event
from benchmark.runner.store import CellStore

Point = tuple[str, int, float]
"""A tag, a step and a value."""

LIVE = "live"


def check_tensorboard() -> None:
    """Refuse a run that asks for event files where they cannot be written.

    Raises:
        EnvironmentProblem: The package is not installed, or does not import.
    """
    try:
        import tensorboard  # noqa: F401
    except ImportError as error:
        raise EnvironmentProblem(
            f"--tensorboard cannot write event files: {error}",
            "pip install 'reid-robustbench[tensorboard]', or run without it",
        ) from error


@dataclass(frozen=True)
class EventFiles:
    """The event files of an output folder: a folder for each training and for its attacks.

    Attributes:
        folder: ``OUTPUT/tensorboard``.
    """

    folder: Path

    def follow(self, cells: Iterable[Work], store: CellStore) -> Callable[[Event, str], None]:
        """Return what writes the files of cells when the journal says that they are finished."""
        by_fingerprint = {cell.fingerprint: cell for cell in cells}

        def heard(event: Event, fingerprint: str) -> None:
            if event in ("finished", "reused"):
                self.write_cell(by_fingerprint[fingerprint], store)

        return heard

    def write_cell(self, cell: Work, store: CellStore) -> None:
        """Write what is to be seen of a finished cell, unless it is there.

        Raises:
            EnvironmentProblem: The disk is full or refuses.
        """
        if isinstance(cell, TrainCell):
            points = history_points(store.get(cell.fingerprint).outcome.get("history", ()))
            self._write(self._of_training(cell), cell.fingerprint, points)
            self._forget(self._of_training(cell), LIVE)
        elif isinstance(cell, AttackCell):
            points = attack_points(cell.title, store.get(cell.fingerprint).outcome)
            target = self._run(cell.clean.train) / "attacks"
            self._write(target, cell.fingerprint, points)

    def write_live(self, cell: TrainCell, history: Sequence[Mapping[str, float]]) -> None:
        """Write the epochs so far of a training that is still running, in place of earlier ones."""
        folder = self._of_training(cell)
        self._forget(folder, LIVE)
        self._write(folder, LIVE, history_points(history))

    def _run(self, train: TrainCell) -> Path:
        return self.folder / f"{train.defense}-seed{train.seed}-{train.fingerprint[:8]}"

    def _of_training(self, train: TrainCell) -> Path:
        return self._run(train) / "training"

    def _write(self, folder: Path, name: str, points: Iterable[Point]) -> None:
        """Write points into a file of their own, whole or not at all."""
        from torch.utils.tensorboard import SummaryWriter  # slow to import, rarely needed

        suffix = f".{name[:16]}"
        with machine_problems(self.folder):
            folder.mkdir(parents=True, exist_ok=True)
            if any(folder.glob(f"events*{suffix}")):
                return
            partial = Path(tempfile.mkdtemp(prefix=".partial-", dir=self.folder))
            try:
                with SummaryWriter(str(partial), filename_suffix=suffix) as writer:
                    for tag, step, value in points:
                        writer.add_scalar(tag, value, step)
                for path in partial.iterdir():
                    path.rename(folder / path.name)
            finally:
                shutil.rmtree(partial, ignore_errors=True)

    @staticmethod
    def _forget(folder: Path, name: str) -> None:
        for path in folder.glob(f"events*.{name}"):
            path.unlink(missing_ok=True)


def history_points(history: Iterable[Mapping[str, float]]) -> Iterator[Point]:
    """Yield the curves of a training: its loss, and what was measured on held-out identities."""
    for row in history:
        for name, value in row.items():
            if name != "epoch":
                yield f"training/{name}", int(row["epoch"]), value


def attack_points(title: str, outcome: Mapping[str, Any]) -> Iterator[Point]:
    """Yield the mean objective at each step, mAP after so many answers, and mAP at the end."""
    for step, value in enumerate(outcome["trace"]):
        yield f"objective/{title}", step, value
    for point in outcome["curve"]:
        yield f"mAP after answers/{title}", point["queries"], point["map"]
    yield f"mAP/{title}", 0, outcome["map"]
