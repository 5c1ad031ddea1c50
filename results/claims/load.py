"""Read the published numbers, and find those of a data set and a network."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import yaml

from results.claims.schema import ClaimedTable, Numbers, Source


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
        setting = f" ({self.table.setting})" if self.table.setting else ""
        return f"{self.source.source}, {self.table.where}{setting}"


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


def claims_of(dataset: str, backbones: Collection[str]) -> list[Claim]:
    """Return what was published of a data set with some networks, source by source.

    Args:
        dataset: As records name it; ``market1501 → dukemtmcreid`` for a test on other data.
        backbones: Registry names.
    """
    return [
        Claim(method, numbers, table, source)
        for source in sources().values()
        for table in source.tables
        if table.tested == dataset and table.backbone in backbones
        for method, numbers in table.rows.items()
    ]
