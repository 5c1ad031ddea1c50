"""Runs the command of an entry, stops it in time, and publishes what it made."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.bench.gpu_work.notes import Notes
from benchmark.bench.gpu_work.run_list import Attempt
from benchmark.bench.gpu_work.work_list import GpuWork
from benchmark.core.files import publish

STOP_SECONDS = 45.0
"""Before the time is over a run is interrupted: it keeps its last epoch or part of an attack."""
KILL_SECONDS = 10.0
"""Before the time is over what has not ended is killed, which costs no more."""


@dataclass(frozen=True)
class Commands:
    """Runs entries in a checkout.

    Attributes:
        root: The checkout.
        output: Cells, notes and what commands write.
        notes: What is done.
        place: Device and commit of this machine.
    """

    root: Path
    output: Path
    notes: Notes
    place: tuple[str, ...]

    @property
    def published(self) -> Path:
        """Where results go that a person may commit."""
        return self.root / "results" / "published"

    def arguments(self, work: GpuWork) -> list[str]:
        """Return the command of an entry."""
        if not work.is_run:
            return [sys.executable, *work.command]
        options = {**work.options, "output": str(self.output)}
        given = [part for name, value in options.items() for part in (_option(name), value)]
        keys = [part for key in (*work.keys, *self._most(work)) for part in ("--set", key)]
        return [sys.executable, "-m", "benchmark", "run", *given, *keys, "--json"]

    def start(self, work: GpuWork, seconds: float) -> Attempt:
        """Run an entry for so many seconds at most, and publish what it made."""
        start = time.monotonic()
        said = self.output / f"{work.name.replace('/', '-')}.stdout"
        said.parent.mkdir(parents=True, exist_ok=True)
        with said.open("wb") as stdout:
            code = run_until(self.arguments(work), self.root, stdout.fileno(), seconds)
        taken = time.monotonic() - start
        if code != 0 or not work.board:
            return Attempt(taken, code)
        made = json.loads(said.read_text("utf-8"))
        files = self._records(work, made) if work.is_run else self._table(work, made)
        return Attempt(taken, code, tuple(files))

    def _most(self, work: GpuWork) -> tuple[str, ...]:
        """Return the key that equals the number of added images to that of another entry."""
        if not work.as_many_as:
            return ()
        names = self.notes.of(work.as_many_as).published
        record = next(self.published / name for name in names if name.endswith(".json"))
        report = json.loads(record.read_text("utf-8"))["training"]["report"]
        most = sum(report["balancing"]["accepted"].values())
        return (f"defense.balancing_options.most={most}",)

    def _records(self, work: GpuWork, made: dict[str, Any]) -> list[str]:
        """Copy the records of a run, and the outcomes beside them, in place of its earlier ones."""
        for name in self.notes.of(work.name).published:
            (self.published / name).unlink(missing_ok=True)
        target = self.published / work.board / "records"
        target.mkdir(parents=True, exist_ok=True)
        files = []
        for record in map(Path, made["record_files"]):
            for path in sorted(record.parent.glob(f"{record.stem}.*")):
                shutil.copyfile(path, target / path.name)
                files.append(str((target / path.name).relative_to(self.published)))
        return files

    def _table(self, work: GpuWork, made: object) -> list[str]:
        device, commit = self.place
        table = {"device": device, "git_commit": commit, "rows": made}
        name = f"{work.board}/{work.name}.json"
        publish(self.published / name, (json.dumps(table, indent=2) + "\n").encode())
        return [name]


def _option(key: str) -> str:
    return f"--{key.replace('_', '-')}"


def run_until(arguments: Sequence[str], folder: Path, stdout: int, seconds: float) -> int | None:
    """Run a command; return its exit code, or None if it was stopped because time was over."""
    deadline = time.monotonic() + seconds
    process = subprocess.Popen(arguments, cwd=folder, stdout=stdout)
    try:
        return process.wait(max(0.0, seconds - STOP_SECONDS))
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
    except KeyboardInterrupt:  # the command heard it, too
        process.wait(STOP_SECONDS)
        raise
    finally:
        _end(process, deadline - KILL_SECONDS)
    return None


def _end(process: subprocess.Popen[bytes], deadline: float) -> None:
    """Wait for a process that was told to stop, and kill it if it does not."""
    try:
        process.wait(max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
