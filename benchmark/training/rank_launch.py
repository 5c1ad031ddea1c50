"""Starts the ranks of a training, shows how it goes, and says in one line why it ended early.

`accelerate launch` starts ranks on GPUs alone (on CPUs it needs MPI), its notebook launcher forks,
which a process that used a GPU or threads must not: so they are started here as processes of their
own, which `accelerate` joins.
"""

from __future__ import annotations

import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from itertools import pairwise
from multiprocessing.connection import Connection, Pipe, wait
from pathlib import Path

import torch

from benchmark.core.cores import cores
from benchmark.core.device import DevicePolicy
from benchmark.core.epoch_checkpoint import load_epoch
from benchmark.core.errors import EnvironmentProblem, UsageError
from benchmark.core.progress import Bar, Progress
from benchmark.training.loop import OnEpoch
from benchmark.training.rank_task import RankTask, save_task
from benchmark.training.state import CHECKPOINT

logger = logging.getLogger(__name__)

FOLDER = "ranks"
PROGRAM = ("-m", f"{__package__}.rank_process")
GRACE_SECONDS = 3.0
"""How long the others may take to tell what they know after one has failed."""


def check_ranks(ranks: int, policy: DevicePolicy) -> None:
    """Raise if a training cannot have so many ranks here.

    Raises:
        EnvironmentProblem: `accelerate` is not installed.
        UsageError: There are fewer GPUs, or cores.
    """
    if ranks == 1:
        return
    on_gpus = policy.device.type == "cuda"
    there, kind = (torch.cuda.device_count(), "GPU") if on_gpus else (cores(), "core")
    if ranks > there:
        raise UsageError(
            f"training.ranks={ranks} are more than the {there} {kind}{'s' * (there != 1)} here",
            f"set training.ranks={there} or fewer",
        )
    if find_spec("accelerate") is None:
        raise EnvironmentProblem(
            f"training.ranks={ranks} needs accelerate, which is not installed",
            "pip install 'reid-robustbench[accelerate]', or set training.ranks=1",
        )


def train_on_ranks(task: RankTask, progress: Progress, on_epoch: OnEpoch | None = None) -> None:
    """Train to the last epoch, whose checkpoint then lies in the work folder.

    Args:
        task: What is trained.
        progress: Shows what the first rank reports.
        on_epoch: Told the history after each epoch.

    Raises:
        EnvironmentProblem: A rank was killed or could not start.
        Exception: What a rank raised.
    """
    if not _is_finished(task):
        check_ranks(task.config.ranks, task.policy)
        folder = task.work_dir / FOLDER
        shutil.rmtree(folder, ignore_errors=True)  # of a driver that was killed
        folder.mkdir(parents=True)
        try:
            save_task(folder, task)
            with _started(task.config.ranks, folder) as processes:
                _Watch(processes, progress, on_epoch, folder).follow()
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    if not _is_finished(task):
        raise EnvironmentProblem(
            f"the ranks have ended, but {task.work_dir / CHECKPOINT} is not of the last epoch",
            "run again; look whether the disk is full",
        )


def _is_finished(task: RankTask) -> bool:
    stored = load_epoch(task.work_dir, CHECKPOINT)
    epochs = task.defense.epochs(task.config.epochs, task.config.inner.steps)
    return stored is not None and stored["epoch"] >= epochs


@dataclass
class _Rank:
    """A rank as its driver sees it.

    Attributes:
        number: From 0.
        process: Its process.
        messages: What it tells; ends with it.
    """

    number: int
    process: subprocess.Popen[bytes]
    messages: Connection


@contextmanager
def _started(size: int, folder: Path) -> Iterator[list[_Rank]]:
    """Yield running ranks, and leave none behind."""
    shared = {
        "WORLD_SIZE": str(size),
        "LOCAL_WORLD_SIZE": str(size),
        "OMP_NUM_THREADS": str(max(1, torch.get_num_threads() // size)),
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    if sys.platform == "linux":
        shared["GLOO_SOCKET_IFNAME"] = "lo"  # all are here, and a host's name may lead elsewhere
    ranks: list[_Rank] = []
    with ExitStack() as stack:
        for number in range(size):
            reader, writer = Pipe(duplex=False)
            stack.callback(reader.close)
            output = stack.enter_context(_output(folder, number).open("wb"))
            process = subprocess.Popen(
                [sys.executable, *PROGRAM, folder, str(writer.fileno())],
                env={**os.environ, **shared, "RANK": str(number), "LOCAL_RANK": str(number)},
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                pass_fds=[writer.fileno()],
            )
            stack.callback(_end, process)
            writer.close()
            ranks.append(_Rank(number, process, reader))
        yield ranks


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    if process.stdin is not None:
        process.stdin.close()


@dataclass
class _Watch:
    """Follows ranks to their end."""

    ranks: list[_Rank]
    progress: Progress
    on_epoch: OnEpoch | None
    folder: Path
    failures: list[tuple[float, BaseException]] = field(default_factory=list)

    def follow(self) -> None:
        """Show what the first rank reports until all have ended; raise what stopped them."""
        listened = {rank.messages: rank for rank in self.ranks}
        failed_at: float | None = None
        with ExitStack() as bars:
            while listened and (failed_at is None or time.time() < failed_at + GRACE_SECONDS):
                for one in wait(list(listened), timeout=0.5):
                    assert isinstance(one, Connection)
                    try:
                        self._hear(one.recv(), bars)
                    except EOFError:
                        if listened.pop(one).process.wait():
                            failed_at = failed_at or time.time()
                if self.failures:
                    failed_at = failed_at or time.time()
            if failed_at is not None:
                raise self._cause()

    def _hear(self, message: tuple[object, ...], bars: ExitStack) -> None:
        match message:
            case ("task", str(title), int(total)):
                self._bar: Bar = bars.enter_context(self.progress.task(title, total))
            case ("advance", int(steps), str(note)):
                self._bar.advance(steps, note)
            case ("log", str(name), int(level), str(text)):
                logging.getLogger(name).log(level, "%s", text)
            case ("epoch", list(history)):
                if self.on_epoch is not None:
                    self.on_epoch(history)
            case ("failed", float(at), [BaseException() as error, *behind]):
                chain = [error, *(one for one in behind if isinstance(one, BaseException))]
                for effect, cause in pairwise(chain):  # which pickling had parted
                    effect.__cause__ = cause
                self.failures.append((at, error))

    def _cause(self) -> BaseException:
        """Return what went wrong first: the others only lost a rank that they waited for."""
        size = len(self.ranks)
        for rank in self.ranks:
            if rank.process.poll() == -signal.SIGKILL:
                return EnvironmentProblem(
                    f"rank {rank.number} of {size} was killed by the system or by hand",
                    "run again, it goes on after its last epoch; if memory was short, lower "
                    "training.identities or training.images",
                )
        if self.failures:
            return min(self.failures, key=lambda failure: failure[0])[1]
        rank = next(rank for rank in self.ranks if rank.process.poll())
        lines = _output(self.folder, rank.number).read_text(errors="replace").split("\n")
        last = next((line for line in reversed(lines) if line.strip()), "it said nothing")
        return EnvironmentProblem(
            f"rank {rank.number} of {size} ended with code {rank.process.poll()}: {last[:200]}",
            "run again with training.ranks=1 to see whether that works",
        )


def _output(folder: Path, rank: int) -> Path:
    return folder / f"rank-{rank}.txt"
