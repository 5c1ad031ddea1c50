"""The columns of a board: what each shows of a row, as a number and as text."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

from results.board import record_metrics as metrics
from results.board.boards import THIN, Board, Row
from results.board.curves import is_swept, worst_area
from results.board.frame import Mean
from results.board.record_metrics import Metric, Read
from results.records.retrieval import AttackId
from results.statistics.bootstrap import mean_std

MISSING = "n/a"
SEEN = "†"

Block = Literal["overview", "worst", "attacks", "apart", "cross", "cost"]
Best = Literal["highest", "lowest"]

TARGET_METRICS: dict[Metric, str] = {"map": "target mAP", "rank1": "hit@1", "rank10": "hit@10"}
"""What is shown of target identities: their mAP, and whether one is among the nearest 1 or 10."""


@dataclass(frozen=True)
class TableCell:
    """One entry of a table.

    Attributes:
        text: As shown.
        best: Whether it is the best of those it is compared with.
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
        best: Which value is the best and marked; None: values are not compared.
    """

    title: str
    block: Block
    show: Callable[[Row], str]
    best: Best | None = "highest"

    def cells(self, rows: Sequence[Row]) -> list[TableCell]:
        """Return the entries of all rows, the best of them marked."""
        return marked(rows, self.show, self.best)


def marked(rows: Sequence[Row], show: Callable[[Row], str], best: Best | None) -> list[TableCell]:
    """Return what is shown of rows as cells; the best read as high (or low) as the extreme.

    Rows that are not ranked are not compared.
    """
    texts = [show(row) for row in rows]
    values = [
        _leading_number(text) if best and row.trust.is_ranked else None
        for row, text in zip(rows, texts, strict=True)
    ]
    known = {value for value in values if value is not None}
    if len(known) < 2:
        return [TableCell(text) for text in texts]
    extreme = max(known) if best == "highest" else min(known)
    return [TableCell(text, value == extreme) for text, value in zip(texts, values, strict=True)]


def board_columns(board: Board) -> list[Column]:
    """Return the columns of `board` in reading order, without the one that names the row."""
    return [
        *_group_column(board),
        *_trust_column(board),
        Column("Seeds", "cost", _seeds, best=None),
        _percent_column("Clean mAP", "overview", metrics.clean_map),
        _percent_column("Clean R1", "overview", metrics.clean_rank1),
        *(_attack_columns(board, board.attacks, "attacks")),
        *(_target_columns(board) if board.targeted else _worst_columns(board)),
        *(_attack_columns(board, board.apart, "apart")),
        *_cross_columns(board),
        Column(
            "Train", "cost", lambda row: duration(metrics.train_seconds(row.records)), best=None
        ),
        Column("Flags", "cost", lambda row: str(len(metrics.flag_ids(row.records))), best=None),
    ]


def percent(row: Row, read: Read) -> str:
    """Return the mean of a percentage over the seeds of a row, with its deviation."""
    values = metrics.row_values(row.records, read)
    return spread((None, None) if values is None else mean_std(values))


def spread(found: Mean) -> str:
    """Return a mean with its deviation as text."""
    mean, std = found
    if mean is None:
        return MISSING
    return f"{mean:.1f}" if std is None else f"{mean:.1f} ± {std:.1f}"


def under_attack(row: Row, board: Board, attack: AttackId) -> str:
    """Return the mAP of a row under an attack, marked if it was trained on it."""
    text = spread(board.frame.mean_std(row, attack, "map"))
    seen = any(one.seen_in_training for one in board.frame.results(row, attack))
    return text + SEEN if seen else text


def target_under_attack(row: Row, board: Board, attack: AttackId, metric: Metric) -> str:
    """Return a metric of the target identities of a row under an attack."""
    return spread(board.frame.mean_std(row, attack, f"target_{metric}"))


def duration(seconds: float) -> str:
    """Return seconds in the unit in which they read best."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 3600 else f"{seconds / 3600:.1f} h"


def target_best(board: Board) -> Best:
    """Return which rank of a target speaks for the defense."""
    return "lowest" if board.pulls else "highest"


def _group_column(board: Board) -> Iterable[Column]:
    if board.groups:
        show = partial(_group, groups=board.groups)
        yield Column("Group", "overview", show, best=None)


def _trust_column(board: Board) -> Iterable[Column]:
    if board.vouched:
        yield Column("Trust", "overview", lambda row: row.trust.level, best=None)


def _group(row: Row, groups: dict[str, int]) -> str:
    return str(groups.get(row.label, MISSING))


def _seeds(row: Row) -> str:
    """Return how many training seeds, by how many attack seeds if several, marked if few."""
    repeats = f"×{len(row.attack_seeds)}" if row.attack_seeds else ""
    return f"{len(row.seeds)}{repeats}{THIN if row.is_thin else ''}"


def _percent_column(title: str, block: Block, read: Read, best: Best = "highest") -> Column:
    return Column(title, block, partial(percent, read=read), best)


def _attack_columns(board: Board, attacks: dict[AttackId, str], block: Block) -> Iterable[Column]:
    for attack, label in attacks.items():
        if not board.targeted:
            yield Column(label, block, partial(under_attack, board=board, attack=attack))
            continue
        for metric, name in TARGET_METRICS.items():
            show = partial(target_under_attack, board=board, attack=attack, metric=metric)
            yield Column(f"{label} {name}", block, show, target_best(board))


def _worst_columns(board: Board) -> Iterable[Column]:
    yield _percent_column("Worst mAP", "overview", metrics.worst_map)
    yield Column("95% CI", "overview", _interval, best=None)
    yield _percent_column("Worst R1", "overview", metrics.worst_rank1)
    records = board.records
    if any(record.worst_seen and record.worst_unseen for record in records):
        yield _percent_column("Worst seen", "worst", metrics.worst_seen_map)
        yield _percent_column("Worst unseen", "worst", metrics.worst_unseen_map)
    if is_swept(board):
        yield _percent_column("Worst area", "worst", worst_area)


def _target_columns(board: Board) -> Iterable[Column]:
    for when, read in (("Clean", metrics.clean_target), ("Worst", metrics.strongest_target)):
        for metric, name in TARGET_METRICS.items():
            best = None if when == "Clean" else target_best(board)
            show = partial(percent, read=partial(read, metric=metric))
            yield Column(f"{when} {name}", "overview", show, best)


def _cross_columns(board: Board) -> Iterable[Column]:
    if board.targeted:  # its worst case is over own identities, not targets
        return
    records = board.records
    for target in dict.fromkeys(c.dataset for r in records for c in r.cross_dataset):
        name = _short(target, board.example.dataset)
        for what, read in (("clean", metrics.cross_clean_map), ("worst", metrics.cross_worst_map)):
            yield _percent_column(f"→ {name} {what}", "cross", partial(read, dataset=target))


def _interval(row: Row) -> str:
    bounds = metrics.worst_interval(row.records)
    return MISSING if bounds is None else f"{bounds[0]:.1f}–{bounds[1]:.1f}"


def _short(dataset: str, beside: str) -> str:
    """Drop the family name that two data sets share: ``campus`` beside ``synthped-plaza``."""
    family = beside.rpartition("-")[0]
    return dataset.removeprefix(f"{family}-") if family else dataset


def _leading_number(text: str) -> float | None:
    return None if text == MISSING else float(text.split()[0].removesuffix(SEEN))
