"""The columns of a board: what each shows of a row, as a number and as text."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

from results.board import Board, Row
from results.labels import AttackId
from results.schema import CrossDatasetResult, Flag, Record
from results.statistics import mean_std

MISSING = "n/a"
SEEN = "†"

Block = Literal["overview", "attacks", "cross"]


@dataclass(frozen=True)
class Cell:
    """One entry of a table.

    Attributes:
        text: As shown.
        best: Whether it is the best of its column.
    """

    text: str
    best: bool = False


@dataclass(frozen=True)
class Column:
    """One column of a board.

    Attributes:
        title: Its heading.
        block: Part of the board it belongs to when one table would be too wide.
        show: Text of a row.
        ranked: Whether higher is better, so that the best is marked.
    """

    title: str
    block: Block
    show: Callable[[Row], str]
    ranked: bool = True

    def cells(self, rows: Sequence[Row]) -> list[Cell]:
        """Return the entries of all rows; the best are those that read as high as the highest."""
        texts = [self.show(row) for row in rows]
        values = [_leading_number(text) for text in texts] if self.ranked else []
        known = {value for value in values if value is not None}
        if len(known) < 2:
            return [Cell(text) for text in texts]
        return [Cell(text, value == max(known)) for text, value in zip(texts, values, strict=True)]


def board_columns(board: Board) -> list[Column]:
    """Return the columns of `board` in reading order, without the one that names the row."""
    targets = list(dict.fromkeys(c.dataset for r in _all_records(board) for c in r.cross_dataset))
    return [
        Column("Seeds", "overview", lambda row: str(len(row.seeds)), ranked=False),
        Column("Clean mAP", "overview", partial(_percent, read=lambda r: r.clean.map)),
        Column("Clean R1", "overview", partial(_percent, read=lambda r: r.clean.rank1)),
        *(
            Column(label, "attacks", partial(_under_attack, attack=attack))
            for attack, label in board.attacks.items()
        ),
        Column("Worst mAP", "overview", partial(_percent, read=worst_map)),
        Column("95% CI", "overview", _interval, ranked=False),
        Column("Worst R1", "overview", partial(_percent, read=worst_rank1)),
        *(
            Column(
                f"→ {_short(target, board.example.dataset)} {what}",
                "cross",
                partial(_percent, read=partial(read, dataset=target)),
            )
            for target in targets
            for what, read in (("clean", cross_clean_map), ("worst", cross_worst_map))
        ),
        Column("Train", "overview", lambda row: _duration(train_seconds(row)), ranked=False),
        Column("Flags", "overview", lambda row: str(len(flag_ids(row))), ranked=False),
    ]


def worst_map(record: Record) -> float | None:
    """Return the worst-case mAP, if anything was attacked."""
    return record.worst_case.map if record.worst_case is not None else None


def worst_rank1(record: Record) -> float | None:
    """Return the worst-case rank-1, if anything was attacked."""
    return record.worst_case.rank1 if record.worst_case is not None else None


def worst_interval(row: Row) -> tuple[float, float] | None:
    """Return the 95% interval of the worst-case mAP; over seeds, the mean of the bounds."""
    bounds = [r.worst_case.ci95_map for r in row.records if r.worst_case is not None]
    if not bounds:
        return None
    return mean_std([low for low, _ in bounds])[0], mean_std([high for _, high in bounds])[0]


def attacked(
    record: Record, attack: AttackId, metric: Literal["map", "rank1"] = "map"
) -> float | None:
    """Return a metric under `attack`, if the record has it."""
    found = next((a for a in record.attacks if AttackId.of(a) == attack), None)
    if found is None:
        return None
    return found.map if metric == "map" else found.rank1


def cross_clean_map(record: Record, dataset: str) -> float | None:
    """Return the mAP on another data set without an attack."""
    other = _cross(record, dataset)
    return other.clean.map if other is not None else None


def cross_worst_map(record: Record, dataset: str) -> float | None:
    """Return the worst-case mAP on another data set, else that under its strongest attack."""
    other = _cross(record, dataset)
    if other is None:
        return None
    if other.worst_case is not None:
        return other.worst_case.map
    return min((attack.map for attack in other.attacks), default=None)


def train_seconds(row: Row) -> float:
    """Return the mean time of training."""
    return mean_std([record.training.seconds for record in row.records])[0]


def flag_ids(row: Row) -> set[str]:
    """Return the sanity checks that any record of the row did not pass."""
    return {flag.id for record in row.records for flag in _flags(record)}


def row_values(row: Row, read: Callable[[Record], float | None]) -> list[float] | None:
    """Return one value for each seed, or None if a seed lacks it."""
    values = [value for record in row.records if (value := read(record)) is not None]
    return values if len(values) == len(row.records) else None


def _percent(row: Row, read: Callable[[Record], float | None]) -> str:
    values = row_values(row, read)
    if values is None:
        return MISSING
    mean, std = mean_std(values)
    return f"{mean:.1f}" if std is None else f"{mean:.1f} ± {std:.1f}"


def _under_attack(row: Row, attack: AttackId) -> str:
    text = _percent(row, partial(attacked, attack=attack))
    results = (a for record in row.records for a in record.attacks)
    seen = any(a.seen_in_training for a in results if AttackId.of(a) == attack)
    return text + SEEN if seen else text


def _interval(row: Row) -> str:
    bounds = worst_interval(row)
    return MISSING if bounds is None else f"{bounds[0]:.1f}–{bounds[1]:.1f}"


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 3600 else f"{seconds / 3600:.1f} h"


def _short(dataset: str, beside: str) -> str:
    """Drop the family name that two data sets share: ``campus`` beside ``synthped-plaza``."""
    family = beside.rpartition("-")[0]
    return dataset.removeprefix(f"{family}-") if family else dataset


def _leading_number(text: str) -> float | None:
    return None if text == MISSING else float(text.split()[0].removesuffix(SEEN))


def _cross(record: Record, dataset: str) -> CrossDatasetResult | None:
    return next((other for other in record.cross_dataset if other.dataset == dataset), None)


def _flags(record: Record) -> Iterable[Flag]:
    yield from record.flags
    for attack in record.attacks:
        yield from attack.flags


def _all_records(board: Board) -> list[Record]:
    return [record for row in board.rows for record in row.records]
