"""The attacks of a board: what each does to every defense, and what it costs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from results.board.boards import Board, Row
from results.board.columns import (
    MISSING,
    TARGET_METRICS,
    Best,
    TableCell,
    marked,
    percent,
    target_best,
    target_under_attack,
    under_attack,
)
from results.board.curves import attack_area, is_swept, worst_area
from results.board.frame import SHARE
from results.board.labels import attack_labels
from results.board.plain_rows import Value
from results.board.record_metrics import Read
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


def effects(board: Board, attacks: Mapping[AttackId, str]) -> Listing:
    """Return the mAP of each row of the board under each attack, the best defense marked."""
    if not board.targeted:
        return _by_row(board.rows, attacks, [("", partial(under_attack, board=board))], "highest")
    shows = [
        (f" {name}", partial(target_under_attack, board=board, metric=metric))
        for metric, name in TARGET_METRICS.items()
    ]
    return _by_row(board.rows, attacks, shows, target_best(board))


def details(board: Board, attacks: Mapping[AttackId, str]) -> Listing:
    """Return the effects, and what the attacks cost on average over all records."""
    listing = effects(board, attacks)

    def add(title: str, texts: Iterable[str]) -> None:
        listing.columns.append((title, [TableCell(text) for text in texts]))

    if not board.targeted and attacks is board.attacks:
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
    if not is_swept(board):
        return Listing([], [])
    families = attack_labels(attack._replace(eps=None) for attack in board.attacks)
    reads: dict[str, Read] = {} if board.targeted else {"worst case": worst_area}
    reads |= {label: partial(attack_area, family=f) for f, label in families.items()}
    best = target_best(board) if board.targeted else "highest"
    lines = [marked(board.rows, partial(percent, read=read), best) for read in reads.values()]
    columns = [(row.label, [line[i] for line in lines]) for i, row in enumerate(board.rows)]
    return Listing(list(reads), columns)


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


def _by_row(
    rows: Sequence[Row],
    attacks: Mapping[AttackId, str],
    shows: Sequence[tuple[str, Callable[..., str]]],
    best: Best,
) -> Listing:
    lines = [
        [marked(rows, partial(show, attack=attack), best) for _, show in shows]
        for attack in attacks
    ]
    columns = [
        (row.label + suffix, [line[place][number] for line in lines])
        for number, row in enumerate(rows)
        for place, (suffix, _) in enumerate(shows)
    ]
    return Listing(list(attacks.values()), columns)


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
