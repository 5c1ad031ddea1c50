"""Read the published numbers, and find those of a data set and a network."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import yaml

from results.claims.schema import ClaimedTable, Numbers, Source
from results.records.schema import Record


@dataclass(frozen=True)
class Claim:
    """What a table claims of one method.

    Attributes:
        method: Registry name, or the source's own.
        numbers: mAP and rank-1 in percent by attack: ``clean``, ``sma@8``.
        table: Where they stand.
        source: The source.
    """

    method: str
    numbers: dict[str, Numbers]
    table: ClaimedTable
    source: Source

    @property
    def origin(self) -> str:
        """Source, place and setting in one line."""
        parts = (self.table.tested if self.table.trained_on else "", self.table.setting)
        further = "; ".join(part for part in parts if part)
        return f"{self.source.source}, {self.table.where}{f' ({further})' if further else ''}"


@cache
def sources() -> dict[str, Source]:
    """Return all sources by the names of their files."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast where it is built
    return {
        entry.name.removesuffix(".yaml"): Source.model_validate(
            yaml.load(entry.read_text("utf-8"), loader)
        )
        for entry in sorted(files("results.claims").iterdir(), key=lambda one: one.name)
        if entry.name.endswith(".yaml")
    }


def claimed_table(source: str, where: str) -> ClaimedTable:
    """Return a table of a source by its place, such as ``table 2`` of ``ddid``."""
    return next(one for one in sources()[source].tables if one.where == where)


def claims_beside(records: Collection[Record]) -> list[Claim]:
    """Return what was published of the data sets and the networks of some records."""
    found: dict[tuple[str, str, str], Claim] = {}
    for record in records:
        others = (f"{record.dataset} → {one.dataset}" for one in record.cross_dataset)
        for dataset in (record.dataset, *others):
            for one in claims_of(dataset, record.backbone):
                found.setdefault((one.source.source, one.table.where, one.method), one)
    return list(found.values())


def claims_of(dataset: str, backbone: str) -> list[Claim]:
    """Return what was published of a data set with a network, source by source.

    Args:
        dataset: As records name it; ``market1501 → dukemtmcreid`` for a test on other data.
        backbone: Registry name.
    """
    return [
        Claim(method, numbers, table, source)
        for source in sources().values()
        for table in source.tables
        if table.tested == dataset and table.backbone == backbone
        for method, numbers in table.rows.items()
    ]
