"""The outcome of each query under an attack and in the worst case, for every attack seed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from results.errors import RecordError
from results.records.arrays import PrefixedArrays
from results.records.other_dataset import records_on_dataset
from results.records.schema import Record
from results.records.store import PerQuery, load_per_query, per_query_path, read_record_files

Measured = Mapping[str, PerQuery]
"""Outcomes of each query, by the id of the record."""


@dataclass(frozen=True)
class QueryOutcome:
    """Outcome of Q queries with T attack seeds; T is 1 where nothing was random.

    Attributes:
        ap: (T, Q) average precision in [0, 1]; NaN where a query does not count.
        first: (T, Q) whether the nearest image is a match.
    """

    ap: NDArray[np.float64]
    first: NDArray[np.bool_]


def outcome_under(outcomes: PerQuery, key: str) -> QueryOutcome:
    """Return the outcome under an attack, or of the clean queries.

    Args:
        outcomes: Of one record.
        key: Name of the attack's result within its record, such as ``sma@8``.

    Raises:
        RecordError: The file does not have it.
    """
    names = _names(outcomes, key)
    ap, ranks = (
        np.stack(read_arrays(outcomes.ap, names)),
        np.stack(read_arrays(outcomes.rank, names)),
    )
    return QueryOutcome(ap, ranks == 1)


def worst_outcome(record: Record, outcomes: PerQuery) -> QueryOutcome:
    """Return the outcome when each query meets its strongest attack, by attack seed.

    Raises:
        RecordError: The record has no worst case, or the file lacks an attack of it.
    """
    parts = [outcome_under(outcomes, key) for key in _worst_keys(record)]
    first = np.broadcast_arrays(*(part.first for part in parts))
    return QueryOutcome(_lowest(part.ap for part in parts), np.all(first, axis=0))


def worst_ap(record: Record, outcomes: PerQuery) -> NDArray[np.float64]:
    """Return the `ap` of `worst_outcome`, and read no ranks; raises what it does."""
    names = [_names(outcomes, key) for key in _worst_keys(record)]
    found = iter(read_arrays(outcomes.ap, list(chain(*names))))
    return _lowest(np.array(list(islice(found, len(one)))) for one in names)


def read_arrays(arrays: Mapping[str, NDArray[Any]], names: Sequence[str]) -> list[NDArray[Any]]:
    """Return some arrays; those of a file are read at once."""
    return (
        arrays.read(names)
        if isinstance(arrays, PrefixedArrays)
        else [arrays[name] for name in names]
    )


def _lowest(parts: Iterable[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return the lowest of (T, Q) or (1, Q) values."""
    return reduce(np.minimum, parts)


def _worst_keys(record: Record) -> list[str]:
    if record.worst_case is None or not record.worst_case.attacks:
        raise RecordError(f"record {record.id[:8]} has no worst case to compare")
    return record.worst_case.attacks


def read_measured(
    folders: Iterable[Path], dataset: str | None = None
) -> tuple[list[Record], dict[str, PerQuery]]:
    """Read the records of some folders, and the outcomes of those whose per-query file is there.

    Args:
        folders: Folders of runs or of records.
        dataset: As for `read_files_on`.

    Raises:
        RecordError: As `read_files_on`.
    """
    files = read_files_on(folders, dataset)
    return [record for _, record in files], outcomes_beside(files)


def read_files_on(folders: Iterable[Path], dataset: str | None = None) -> list[tuple[Path, Record]]:
    """Read the records of some folders with their files.

    Args:
        folders: Folders of runs or of records.
        dataset: Another data set than the one trained on, to see the records as they stand there;
            those that were not tested on it are left out.

    Raises:
        RecordError: A folder is missing, a file cannot be read, or no record was tested on
            `dataset`.
    """
    files = read_record_files(folders)
    return files if dataset is None else records_on_dataset(files, dataset)


def outcomes_beside(files: Iterable[tuple[Path, Record]]) -> dict[str, PerQuery]:
    """Return the outcomes of the records whose per-query file is there, by their ids.

    Raises:
        RecordError: A file cannot be read.
    """
    measured: dict[str, PerQuery] = {}
    for path, record in files:
        if (beside := per_query_path(path, record.per_query)) is not None:
            measured[record.id] = load_per_query(beside)
    return measured


def of_records(records: Sequence[Record], measured: Measured) -> dict[int, Record]:
    """Return the records whose outcomes are at hand, by their training seed."""
    return {record.seed: record for record in records if record.id in measured}


def _names(outcomes: PerQuery, key: str) -> list[str]:
    """Return the names that an attack has in a per-query file, by attack seed."""
    names = [key] if key in outcomes.ap else _repeats(outcomes.ap, key)
    if not names:
        raise RecordError(f"a per-query file lacks {key}", "run again to make it anew")
    return names


def _repeats(keys: Iterable[str], key: str) -> list[str]:
    found = [name for name in keys if name.startswith(f"{key}#")]
    return sorted(found, key=lambda name: int(name.rpartition("#")[2]))
