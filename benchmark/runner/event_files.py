"""Event files for TensorBoard, derived from what a run keeps.

They are written when the journal says that a cell is finished or was finished earlier, so that
they hold the same whether a run was stopped or not; they can be deleted and are written again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.core.errors import EnvironmentProblem
from benchmark.runner.cells.attack import AttackCell
from benchmark.runner.cells.train import TrainCell
from benchmark.runner.cells.work import Work
from benchmark.runner.event_writer import (
    LIVE,
    Point,
    forget,
    history_points,
    run_folder,
    training_folder,
    write_points,
)
from benchmark.runner.journal import Event
from benchmark.runner.store import CellStore


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
        name = cell.fingerprint[:16]
        if isinstance(cell, TrainCell):
            target = training_folder(self.folder, cell)
            history = store.get(cell.fingerprint).outcome.get("history", ())
            write_points(target, name, history_points(history))
            forget(target, LIVE)
        elif isinstance(cell, AttackCell):
            points = attack_points(cell.title, store.get(cell.fingerprint).outcome)
            write_points(run_folder(self.folder, cell.clean.train) / "attacks", name, points)


def attack_points(title: str, outcome: Mapping[str, Any]) -> Iterator[Point]:
    """Yield the mean objective at each step, mAP after so many answers, and mAP at the end."""
    for step, value in enumerate(outcome["trace"]):
        yield f"objective/{title}", step, value
    for point in outcome["curve"]:
        yield f"mAP after answers/{title}", point["queries"], point["map"]
    yield f"mAP/{title}", 0, outcome["map"]
