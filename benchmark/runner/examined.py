"""All that can be checked of records, by themselves and of those of a folder together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmark.config.attack_groups import ATTACK_GROUPS
from benchmark.runner.recomputed import fingerprint_problems
from benchmark.runner.reranked_sample import sample_problems
from results.errors import RecordError
from results.records.schema import Record
from results.records.store import load_record, record_files
from results.submission.grid_checks import grid_problems
from results.submission.problem import Problem
from results.submission.record_checks import record_problems
from results.submission.submission_file import read_submission, submission_problems


@dataclass
class Examined:
    """A record, or a folder of records, and what is wrong with it.

    Attributes:
        path: Its file or folder.
        record: The record; None for a folder, and where it could not be read.
        problems: Of all grades.
    """

    path: Path
    record: Record | None = None
    problems: list[Problem] = field(default_factory=list)

    @property
    def is_refused(self) -> bool:
        """Whether something is wrong that may stand nowhere."""
        return any(one.grade == "error" for one in self.problems)


def examine(path: Path) -> Examined:
    """Check a record by itself; what is wrong with it is returned, never raised."""
    found = Examined(path)
    try:
        found.record = load_record(path)
        found.problems += record_problems(path, found.record)
        if not found.is_refused:
            found.problems += fingerprint_problems(path, found.record)
            found.problems += sample_problems(path, found.record)
    except RecordError as error:
        found.problems.append(Problem(error.what, error.hint))
    return found


def examine_all(places: Iterable[Path]) -> Iterator[Examined]:
    """Check records, and those of folders also together.

    Args:
        places: Files of records, and folders with some.

    Raises:
        RecordError: A folder is missing, or leads out of itself.
    """
    for place in places:
        if not place.is_dir():
            yield examine(place)
            continue
        folders: dict[Path, list[Examined]] = {}
        for path in record_files(place):
            folders.setdefault(path.parent, []).append(found := examine(path))
            yield found
        for folder, examined in folders.items():
            yield Examined(folder, None, list(_together(folder, examined)))


def _together(folder: Path, examined: Sequence[Examined]) -> Iterator[Problem]:
    records = [one.record for one in examined if one.record is not None]
    try:
        submitted = read_submission(folder) is not None
        yield from submission_problems(folder, records)
    except RecordError as error:
        submitted = True
        yield Problem(error.what, error.hint)
    if any(one.is_refused for one in examined):
        return  # what is told of the rows of damaged records would be wrong
    for one in grid_problems(records, ATTACK_GROUPS["default"]):
        yield Problem(one.what, one.mend, "error") if submitted else one
