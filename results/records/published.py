"""The published records of the zoo, where the installation came with them."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from results.records.query_outcomes import read_measured
from results.records.schema import Record
from results.records.store import PerQuery, read_records

ZOO_RECORDS = Path(__file__).parents[1] / "published" / "zoo"
"""One record of each entry of the zoo, in the protocol of `make run`."""


@cache
def zoo_records() -> tuple[Record, ...]:
    """Return the published records; none where the folder is not there."""
    return tuple(read_records([ZOO_RECORDS])) if ZOO_RECORDS.is_dir() else ()


def measured_zoo() -> tuple[list[Record], dict[str, PerQuery]]:
    """Return them with the outcomes of their queries."""
    return read_measured([ZOO_RECORDS]) if ZOO_RECORDS.is_dir() else ([], {})
