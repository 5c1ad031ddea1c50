"""The attacks of a board: what each does to every defense, and what it costs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import pandas as pd

from results.board import Board, Row, make_boards
from results.columns import (
    MISSING,
    TARGET_METRICS,
    Best,
    Cell,
    marked,
    percent,
    target_best,
    target_under_attack,
    under_attack,
)
from results.curves import attack_area, is_swept, worst_area
from results.labels import AttackId, attack_labels
from results.readings import (
    Read,
    ReadResult,
    attacked,
    map_of,
    rank1_of,
    result_of,
    row_values,
    target_of,
    worst_share,
)
from results.schema import AttackResult, Record
from results.statistics import mean_std

_DECIMALS = 6

_COSTS: dict[str, tuple[ReadResult, str]] = {
    "Seconds": (lambda a: a.seconds, ",.1f"),
    "Forwards": (lambda a: a.forwards, ",.0f"),
    "Backwards": (lambda a: a.backwards, ",.0f"),
    "Answers": (lambda a: a.queries, ",.0f"),
}
"""Costs and their format by heading; images, not batches, go forward and backward."""

_NUMBERS: dict[str, ReadResult] = {
    "map": map_of,
    "rank1": rank1_of,
    "success_rate": lambda a: a.success_rate,
    "map_float": lambda a: a.map_float,
    "map_jpeg": lambda a: a.map_jpeg,
    "target_map": target_of,
    "target_rank1": partial(target_of, metric="rank1"),
    "target_rank10": partial(target_of, metric="rank10"),
    "seconds": lambda a: a.seconds,
    "prepare_seconds": lambda a: a.prepare_seconds,
    "forwards": lambda a: a.forwards,
    "backwards": lambda a: a.backwards,
    "answers": lambda a: a.queries,
    "max_distance_255": lambda a: a.max_distance_255,
}
"""What a program is told of an attack, by column."""


@dataclass(frozen=True)
class Listing:
    """A table whose rows are attacks.

    Attributes:
        labels: The attacks.
        columns: Heading and cells of each column.
    """

    labels: list[str]
    columns: list[tuple[str, list[Cell]]]


def effects(board: Board, attacks: Mapping[AttackId, str]) -> Listing:
    """Return the mAP of each row of the board under each attack, the best defense marked."""
    if not board.targeted:
        return _by_row(board.rows, attacks, [("", under_attack)], "highest")
    shows = [
        (f" {name}", partial(target_under_attack, metric=metric))
        for metric, name in TARGET_METRICS.items()
    ]
    return _by_row(board.rows, attacks, shows, target_best(board))


def details(board: Board, attacks: Mapping[AttackId, str]) -> Listing:
    """Return the effects, and what the attacks cost on average over all records."""
    listing = effects(board, attacks)
    records = [record for row in board.rows for record in row.records]

    def add(title: str, texts: Iterable[str]) -> None:
        listing.columns.append((title, [Cell(text) for text in texts]))

    if not board.targeted and attacks is board.attacks:
        shares = (partial(worst_share, attack=attack) for attack in attacks)
        add("Share of worst", (_mean(records, share, ".1f") for share in shares))
    for title, (read, style) in _COSTS.items():
        costs = (partial(attacked, attack=attack, read=read) for attack in attacks)
        add(title, (_mean(records, cost, style) for cost in costs))
    add("Flags", (str(len(_flags(records, attack))) for attack in attacks))
    return listing


def areas(board: Board) -> Listing:
    """Return the area under each security curve, of the worst case first; empty if not swept."""
    if not is_swept(board):
        return Listing([], [])
    families = attack_labels(attack._replace(eps=None) for attack in board.attacks)
    reads: dict[str, Read] = {} if board.targeted else {"worst case": worst_area}
    reads |= {label: partial(attack_area, family=f) for f, label in families.items()}
    best = target_best(board) if board.targeted else "highest"
    lines = [marked([percent(row, read) for row in board.rows], best) for read in reads.values()]
    columns = [(row.label, [line[i] for line in lines]) for i, row in enumerate(board.rows)]
    return Listing(list(reads), columns)


def attacks_frame(records: Iterable[Record]) -> pd.DataFrame:
    """Return one row for each attack on each row of each board; numbers are means over seeds.

    Percentages are 0-100, ``share_of_worst`` among them; costs are for all images together.
    """
    boards = make_boards(records)
    rows = [
        _entries(board, row, attack)
        for board in boards
        for row in board.rows
        for attack in (*board.attacks, *board.apart)
    ]
    frame = pd.DataFrame([row for row in rows if row])
    return frame.round(_DECIMALS)


def _by_row(
    rows: Sequence[Row],
    attacks: Mapping[AttackId, str],
    shows: Sequence[tuple[str, Callable[[Row, AttackId], str]]],
    best: Best,
) -> Listing:
    lines = [
        [marked([show(row, attack) for row in rows], best) for _, show in shows]
        for attack in attacks
    ]
    columns = [
        (row.label + suffix, [line[place][number] for line in lines])
        for number, row in enumerate(rows)
        for place, (suffix, _) in enumerate(shows)
    ]
    return Listing(list(attacks.values()), columns)


def _entries(board: Board, row: Row, attack: AttackId) -> dict[str, object]:
    found = [one for record in row.records if (one := result_of(record, attack))]
    if not found:
        return {}
    entries: dict[str, object] = {
        "dataset": board.example.dataset,
        "backbone": board.backbones,
        "protocol": board.example.protocol.fingerprint,
        "threat": board.threat_of(board.attacks if attack in board.attacks else board.apart),
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
    for name, read in _NUMBERS.items():
        entries[name] = _average(row.records, partial(attacked, attack=attack, read=read))
    entries["share_of_worst"] = _average(row.records, partial(worst_share, attack=attack))
    entries["flags"] = " ".join(_flags(row.records, attack))
    return entries


def _average(records: Sequence[Record], read: Read) -> float | None:
    values = row_values(records, read)
    return None if values is None else mean_std(values)[0]


def _mean(records: Sequence[Record], read: Read, style: str) -> str:
    """Return the mean over the records that have a value."""
    values = [value for record in records if (value := read(record)) is not None]
    return f"{mean_std(values)[0]:{style}}" if values else MISSING


def _flags(records: Iterable[Record], attack: AttackId) -> list[str]:
    results: list[AttackResult | None] = [result_of(record, attack) for record in records]
    return sorted({flag.id for one in results if one for flag in one.flags})
