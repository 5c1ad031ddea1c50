"""Works through the list until the minutes are used up."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from benchmark.bench.gpu_work.notes import Note, Notes
from benchmark.bench.gpu_work.work_list import GpuWork

LEAST_SECONDS = 120.0
"""What a run is started for: with less, starting is most of it."""

State = Literal["finished", "stopped", "failed", "no room", "waits"]


@dataclass(frozen=True)
class Attempt:
    """How a command ended.

    Attributes:
        seconds: How long it ran.
        code: Its exit code; None if it was stopped because the time was over.
        published: Files that it gave, if it came to its end.
    """

    seconds: float
    code: int | None
    published: tuple[str, ...] = ()


@dataclass(frozen=True)
class Told:
    """What became of an entry."""

    work: GpuWork
    state: State
    seconds: float = 0.0
    code: int = 0


@dataclass(frozen=True)
class WorkList:
    """The list with what it needs to be worked through.

    Attributes:
        works: The entries, the most important first.
        notes: What is done.
        place: Device and commit of this machine.
        predict: Says the seconds that an entry will take.
        start: Runs an entry for so many seconds at most; it is told the notes.
        clock: Seconds.
    """

    works: Sequence[GpuWork]
    notes: Notes
    place: tuple[str, ...]
    predict: Callable[[GpuWork], float]
    start: Callable[[GpuWork, float], Attempt]
    clock: Callable[[], float]

    def is_finished(self, work: GpuWork) -> bool:
        """Whether an entry is done; tests and bench only with this code on this device."""
        note = self.notes.of(work.name)
        return note.finished and (work.is_run or note.place == self.place)

    def run(self, seconds: float, only: Collection[str] = ()) -> Iterator[Told]:
        """Work for so many seconds at most; yield what became of each entry that was not done.

        An entry that cannot be stopped starts only if its prediction fits. A run starts if
        `LEAST_SECONDS` are left, is stopped when the time is over, and goes on next time.
        """
        deadline = self.clock() + seconds
        for work in self.works:
            if self.is_finished(work) or (only and work.name not in only):
                continue
            told = self._told(work, deadline - self.clock())
            yield told
            short = told.state == "stopped" or (told.state == "no room" and work.is_run)
            if short or (work.opens and told.state != "finished"):
                return

    def _told(self, work: GpuWork, left: float) -> Told:
        if work.as_many_as and not self.notes.of(work.as_many_as).finished:
            return Told(work, "waits")
        wanted = LEAST_SECONDS if work.is_run else self.predict(work)
        return Told(work, "no room", wanted) if wanted > left else self._attempt(work, left)

    def _attempt(self, work: GpuWork, left: float) -> Told:
        before = self.notes.of(work.name)
        attempt = self.start(work, left)
        note = Note(
            finished=attempt.code == 0,
            seconds=before.seconds + attempt.seconds,
            published=attempt.published or before.published,
            place=self.place,
        )
        if not work.is_run:
            note = replace(note, seconds=attempt.seconds)
        self.notes.keep(work.name, note)
        if attempt.code is None:
            return Told(work, "stopped", attempt.seconds)
        state: State = "finished" if attempt.code == 0 else "failed"
        return Told(work, state, attempt.seconds, attempt.code)
