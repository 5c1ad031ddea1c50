"""The output folder of a run: one run at a time, checked to be writable before any work."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from benchmark.core.errors import EnvironmentProblem


@dataclass(frozen=True)
class OutputFolder:
    """Where a run keeps what.

    Attributes:
        path: The folder.
    """

    path: Path

    @property
    def cells(self) -> Path:
        """Finished cells."""
        return self.path / "cells"

    @property
    def records(self) -> Path:
        """Records, and the outcome of each query beside them."""
        return self.path / "records"

    @property
    def reports(self) -> Path:
        """Pictures and figures of trainings that made some, in a folder for each record."""
        return self.path / "reports"

    @property
    def journal(self) -> Path:
        """What happened to each cell."""
        return self.path / "journal.jsonl"

    @property
    def tensorboard(self) -> Path:
        """Event files for TensorBoard, if a run was asked for them."""
        return self.path / "tensorboard"

    @property
    def log(self) -> Path:
        """Log of all runs into this folder."""
        return self.path / "run.log"

    @property
    def config(self) -> Path:
        """Resolved configuration of the last run."""
        return self.path / "config.yaml"

    def prepare(self) -> None:
        """Make the folders and check that files can be written.

        Raises:
            EnvironmentProblem: They cannot.
        """
        probe = self.path / f".probe-{os.getpid()}"
        try:
            self.cells.mkdir(parents=True, exist_ok=True)
            self.records.mkdir(exist_ok=True)
            probe.write_bytes(b"x" * 4096)
            probe.unlink()
        except OSError as error:
            raise EnvironmentProblem(
                f"cannot write to the output folder {self.path}: {error.strerror}",
                "make it writable or free some space, or choose another one with --output",
            ) from error

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder for this run alone; the lock ends with the process.

        Raises:
            EnvironmentProblem: Another run holds it.
        """
        lock = FileLock(self.path / ".lock", timeout=0)
        try:
            lock.acquire()
        except Timeout as error:
            raise EnvironmentProblem(
                f"another run is using {self.path}",
                "wait for it, or choose another folder with --output",
            ) from error
        try:
            yield
        finally:
            lock.release()


def copy_folder(source: Path, target: Path) -> Path:
    """Copy a folder in place of an earlier copy and return where it is."""
    shutil.copytree(source, target, dirs_exist_ok=True)
    return target
