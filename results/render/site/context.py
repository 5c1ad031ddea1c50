"""What the pages of the site are made of, and where each of them lies."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import MappingProxyType

from results.board.boards import Board, Row
from results.claims.load import Claim, claims_beside
from results.records.query_outcomes import Measured
from results.report.content import Glossary

_DIGITS = 12
"""Of the names of rows and snapshots."""


@dataclass(frozen=True)
class SiteContext:
    """All that the site is told.

    Attributes:
        boards: Any number.
        measured: Outcomes of each query, by the id of the record.
        files: The file of each record, by its id.
        glossary: What names stand for.
        commands: What makes each row anew, or why that is not known, by the id of the row.
        published: Date at which each record came into the repository, by its id.
    """

    boards: Sequence[Board]
    measured: Measured
    files: Mapping[str, Path]
    glossary: Glossary
    commands: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    published: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    @cached_property
    def snapshot(self) -> str:
        """Name of this state of all boards: the same records have the same one."""
        return _digest(one.id for board in self.boards for one in board.records)

    def claims(self, board: Board) -> list[Claim]:
        """Return what was published of the data sets and networks of a board."""
        return claims_beside(board.records)


def row_id(row: Row) -> str:
    """Return a name for a row that is safe in paths, in addresses and as an id of HTML."""
    return _digest(record.id for record in row.records)


def board_path(board: Board) -> str:
    """Return where the page of a board lies, from the root of the site."""
    return f"boards/{board.slug}/index.html"


def attacks_path(board: Board) -> str:
    """Return where the attacks of a board are."""
    return f"boards/{board.slug}/attacks.html"


def compare_path(board: Board) -> str:
    """Return where rows of a board are compared."""
    return f"boards/{board.slug}/compare.html"


def entry_path(row: Row) -> str:
    """Return where the page of a row lies."""
    return f"entries/{row_id(row)}.html"


def _digest(ids: Iterable[str]) -> str:
    text = "\n".join(sorted(ids))
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]
