"""What came out of an evaluation: a record, and ways to look at it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from benchmark.api.tables import CLEAN, WORST, figure_named, tidy_frame
from results.board.boards import Board
from results.board.make_boards import make_boards
from results.records.ranked_lists import load_ranked_lists, write_ranked_lists
from results.records.schema import Record
from results.records.store import PerQuery, load_per_query, write_record
from results.render.leaderboard import write_leaderboard


@dataclass(frozen=True, repr=False)
class Evaluation:
    """What came out of an evaluation.

    Attributes:
        record: The record, as a run writes it.
        path: Its file.
    """

    record: Record
    path: Path
    _folder: TemporaryDirectory[str] | None = None
    """Keeps the files as long as this object lives; None: they are the user's."""

    @cached_property
    def per_query(self) -> Mapping[str, PerQuery]:
        """The outcome of each query, by data set."""
        beside = {
            self.record.dataset: self.record.per_query,
            **{one.dataset: one.per_query for one in self.record.cross_dataset},
        }
        return {
            name: load_per_query(self.path.with_name(file))
            for name, file in beside.items()
            if file is not None
        }

    @cached_property
    def boards(self) -> list[Board]:
        """The record as boards of one row, one for each threat model."""
        return make_boards([self.record])

    @property
    def flags(self) -> list[str]:
        """Sanity flags, a line each: why a number may not be what it seems."""
        attacks = self.record.attacks
        found = [*self.record.flags, *(flag for attack in attacks for flag in attack.flags)]
        return [f"{flag.id}: {flag.message}" for flag in found]

    def frame(self) -> pd.DataFrame:
        """Return a line for each number; see `benchmark.api.tables.tidy_frame`."""
        return tidy_frame(self.boards)

    def table(self) -> pd.DataFrame:
        """Return the small table: clean, each attack, and the worst case for each query."""
        record = self.record
        clean, worst = record.clean, record.worst_case
        lines: list[dict[str, Any]] = [
            {"attack": CLEAN, "eps": "", "mAP": clean.map, "Rank-1": clean.rank1, "flags": ""}
        ]
        for one in record.attacks:
            told = ", ".join(flag.id for flag in one.flags)
            line = {"attack": one.name, "eps": f"{one.eps:g}/255", "mAP": one.map}
            lines.append(line | {"Rank-1": one.rank1, "flags": told})
        if worst is not None:
            line = {"attack": WORST, "eps": "", "mAP": worst.map, "Rank-1": worst.rank1}
            lines.append(line | {"flags": ", ".join(flag.id for flag in record.flags)})
        return pd.DataFrame(lines)

    def figure(self, kind: str = "attacks") -> Figure:
        """Return a figure: ``attacks``, or ``security`` and ``answers`` where there are curves.

        Raises:
            UsageError: There is none of this kind.
        """
        return figure_named(self.boards, kind)

    def save(self, folder: str | Path) -> Path:
        """Write the record and its boards into a folder, which `board` reads.

        Returns:
            The file of the record.

        Raises:
            RecordError: The disk is full or the folder refuses.
        """
        path = write_record(self.record, Path(folder), self.per_query)
        if (lists := load_ranked_lists(self.path)) is not None:
            write_ranked_lists(lists, path)
        write_leaderboard(self.boards, Path(folder))
        return path

    def __repr__(self) -> str:
        """Show the small table."""
        table = self.table().to_string(index=False, float_format="{:.1f}".format)
        return "\n".join([self._heading, table, *self.flags])

    def _repr_html_(self) -> str:
        """Show the small table in a notebook."""
        table = self.table().to_html(index=False, float_format="{:.1f}".format, border=0)
        return f"<p>{self._heading}</p>{table}"

    @property
    def _heading(self) -> str:
        record = self.record
        height, width = record.image_size
        return f"{record.label or record.defense.name} on {record.dataset}, {height}×{width}"
