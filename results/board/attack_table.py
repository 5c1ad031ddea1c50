"""The attacks of a board: what each does to every defense, and what it costs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from results.board.boards import Board, Row
from results.board.columns import (
    MISSING,
    TARGET_METRICS,
    Block,
    TableCell,
    attacks_of,
    board_columns,
)
from results.board.curves import WORST
from results.board.frame import SHARE
from results.board.plain_rows import Value
from results.records.retrieval import AttackId, AttackResult
from results.statistics.bootstrap import mean_std

_COSTS = {
    "Seconds": ("seconds", ",.1f"),
    "Forwards": ("forwards", ",.0f"),
    "Backwards": ("backwards", ",.0f"),
    "Answers": ("answers", ",.0f"),
}
"""Costs and their format by heading; images, not batches, go forward and backward."""


@dataclass(frozen=True)
class Listing:
    """A table whose rows are attacks.

    Attributes:
        labels: The attacks.
        columns: Heading and cells of each column.
    """

    labels: list[str]
    columns: list[tuple[str, list[TableCell]]]


def effects(board: Board, block: Block) -> Listing:
    """Return what is shown of each row of the board under each attack, the best defense marked."""
    lines = [c.cells(board.rows) for c in board_columns(board) if c.block == block]
    suffixes = [f" {name}" for name in TARGET_METRICS.values()] if board.targeted else [""]
    columns = [
        (row.label + suffix, [line[number] for line in lines[place :: len(suffixes)]])
        for number, row in enumerate(board.rows)
        for place, suffix in enumerate(suffixes)
    ]
    return Listing(list(attacks_of(board, block).values()), columns)


def details(board: Board, block: Block) -> Listing:
    """Return the effects, and what the attacks cost on average over all records."""
    listing, attacks = effects(board, block), attacks_of(board, block)

    def add(title: str, texts: Iterable[str]) -> None:
        listing.columns.append((title, [TableCell(text) for text in texts]))

    if not board.targeted and block == "attacks":
        add("Share of worst", (_mean(board, attack, SHARE, ".1f") for attack in attacks))
    for title, (metric, style) in _COSTS.items():
        add(title, (_mean(board, attack, metric, style) for attack in attacks))
    for_all = (
        [a for row in board.rows for a in board.frame.results(row, attack)] for attack in attacks
    )
    add("Flags", (str(len(_flags(results))) for results in for_all))
    return listing


def areas(board: Board) -> Listing:
    """Return the area under each security curve, of the worst case first; empty if not swept."""
    columns = [c for c in board_columns(board) if c.key == "worst_area" or c.block == "areas"]
    labels = [column.title if column.block == "areas" else WORST for column in columns]
    lines = [column.cells(board.rows) for column in columns]
    by_row = [(row.label, [line[i] for line in lines]) for i, row in enumerate(board.rows)]
    return Listing(labels, by_row)


def attack_rows(boards: Iterable[Board]) -> list[dict[str, Value]]:
    """Return one row for each attack on each row of each board; numbers are means over seeds.

    Percentages are 0-100, ``share_of_worst`` among them; costs are for all images together.
    """
    rows = [
        _entries(board, row, attack, threats[attack])
        for board in boards
        for threats in [_threats(board)]
        for row in board.rows
        for attack in threats
    ]
    return [row for row in rows if row]


def _threats(board: Board) -> dict[AttackId, str]:
    """Return the attacks of a board, each with what those of its table may do."""
    return {
        attack: threat
        for group in (board.attacks, board.apart)
        for threat in [board.threat_of(group)]
        for attack in group
    }


def _entries(board: Board, row: Row, attack: AttackId, threat: str) -> dict[str, Value]:
    found = board.frame.results(row, attack)
    if not found:
        return {}
    entries: dict[str, Value] = {
        "dataset": board.example.dataset,
        "backbone": board.backbones,
        "protocol": board.example.protocol.fingerprint,
        "threat": threat,
        "row": row.label,
        "attack": attack.name,
        "eps": attack.eps,
        "norm": attack.norm,
        "knowledge": found[0].knowledge,
        "side": attack.side,
        "intent": attack.intent,
        "fraction": found[0].fraction,
        "target_rule": found[0].target_rule,
        "seeds": len(row.records),
        "seen_in_training": any(one.seen_in_training for one in found),
    }
    entries |= board.frame.means(row, attack)
    entries["flags"] = " ".join(_flags(found))
    return entries


def _mean(board: Board, attack: AttackId, metric: str, style: str) -> str:
    """Return the mean over the records that have a value."""
    values = board.frame.values(attack, metric)
    return f"{mean_std(values)[0]:{style}}" if values else MISSING


def _flags(results: Iterable[AttackResult]) -> list[str]:
    return sorted({flag.id for one in results for flag in one.flags})
