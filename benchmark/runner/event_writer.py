"""Writes event files for TensorBoard, and knows where those of a training lie."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from benchmark.runner.cells.work import Work
from benchmark.runner.error_translation import machine_problems

Point = tuple[str, int, float]
"""A tag, a step and a value."""

LIVE = "live"
"""Name of the file of a training that is still running."""


def run_folder(folder: Path, train: Work) -> Path:
    """Return the folder of a training and of the attacks on it, in that of all event files."""
    return folder / f"{train.defense}-seed{train.seed}-{train.fingerprint[:8]}"


def training_folder(folder: Path, train: Work) -> Path:
    """Return the folder of the curves of a training."""
    return run_folder(folder, train) / "training"


def write_live(folder: Path, train: Work, history: Sequence[Mapping[str, float]]) -> None:
    """Write the epochs so far of a training that is still running, in place of earlier ones."""
    target = training_folder(folder, train)
    forget(target, LIVE)
    write_points(target, LIVE, history_points(history))


def write_points(folder: Path, name: str, points: Iterable[Point]) -> None:
    """Write points into a file of their own, whole or not at all, unless it is there.

    Args:
        folder: Where it goes.
        name: Names it within the folder.
        points: What it holds.

    Raises:
        EnvironmentProblem: The disk is full or refuses.
    """
    from torch.utils.tensorboard import SummaryWriter  # slow to import, rarely needed

    with machine_problems(folder):
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.glob(_pattern(name))):
            return
        partial = Path(tempfile.mkdtemp(prefix=".partial-", dir=folder))
        try:
            with SummaryWriter(str(partial), filename_suffix=f".{name}") as writer:
                for tag, step, value in points:
                    writer.add_scalar(tag, value, step)
            for path in partial.iterdir():
                path.rename(folder / path.name)
        finally:
            shutil.rmtree(partial, ignore_errors=True)


def forget(folder: Path, name: str) -> None:
    """Remove a file that `write_points` wrote, if it is there."""
    for path in folder.glob(_pattern(name)):
        path.unlink(missing_ok=True)


def history_points(history: Iterable[Mapping[str, float]]) -> Iterator[Point]:
    """Yield the curves of a training: its loss, and what was measured on held-out identities."""
    for row in history:
        for name, value in row.items():
            if name != "epoch":
                yield f"training/{name}", int(row["epoch"]), value


def _pattern(name: str) -> str:
    return f"events*.{name}"
