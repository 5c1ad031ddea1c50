"""The columns of a board: what each says of a row, as text and as numbers for programs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

from results.board import record_metrics as metrics
from results.board.boards import THIN, Board, Row
from results.board.curves import attack_area, is_swept, worst_area
from results.board.frame import Mean
from results.board.labels import attack_labels
from results.board.plain_rows import Value
from results.board.record_metrics import Metric, Read
from results.records.retrieval import AttackId
from results.statistics.bootstrap import mean_std

MISSING = "n/a"
SEEN = "†"

Block = Literal["overview", "worst", "attacks", "apart", "areas", "cross", "cost"]
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
        key: Its name for programs.
        title: Its heading; empty for a column that only programs read.
        block: Part of the board it belongs to when one table would be too wide.
        numbers: Values of a row by their names for programs: of a percentage the mean over seeds,
            named as the column, and its deviation.
        text: What people read of a row.
        best: Which value is the best and marked; None: values are not compared.
    """

    key: str
    title: str
    block: Block
    numbers: Callable[[Row], dict[str, Value]]
    text: Callable[[Row], str]
    best: Best | None = None

    def cells(self, rows: Sequence[Row]) -> list[TableCell]:
        """Return the entries of all rows, the best of them marked."""
        return marked(rows, self.text, self.best)


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
    """Return the columns that people read, in reading order, without the one that names the row."""
    return [column for column in all_columns(board) if column.title]


def all_columns(board: Board) -> list[Column]:
    """Return every column of `board` in reading order: what all its tables and files say."""
    return [
        *_group_column(board),
        *_trust_column(board),
        Column("seeds", "Seeds", "cost", seed_lists, _seeds),
        _percentage("clean_map", "Clean mAP", "overview", metrics.clean_map),
        _percentage("clean_rank1", "Clean R1", "overview", metrics.clean_rank1),
        *(_target_columns(board) if board.targeted else _worst_columns(board)),
        *_attack_columns(board, "attacks"),
        *_attack_columns(board, "apart"),
        *(_area_columns(board) if is_swept(board) else ()),
        *_cross_columns(board),
        Column("train_seconds", "Train", "cost", _train_seconds, _train_time),
        Column("flags", "Flags", "cost", _flags, lambda row: str(len(_flag_ids(row)))),
    ]


def attacks_of(board: Board, block: Block) -> dict[AttackId, str]:
    """Return the attacks of one of the two blocks that have any, with their short labels."""
    return board.attacks if block == "attacks" else board.apart


def over_seeds(row: Row, read: Read) -> Mean:
    """Return the mean of a percentage over the seeds of a row, and its deviation."""
    values = metrics.row_values(row.records, read)
    return (None, None) if values is None else mean_std(values)


def spread(found: Mean) -> str:
    """Return a mean with its deviation as text."""
    mean, std = found
    if mean is None:
        return MISSING
    return f"{mean:.1f}" if std is None else f"{mean:.1f} ± {std:.1f}"


def under_names(name: str, found: Mean) -> dict[str, Value]:
    """Return a mean and its deviation under two names."""
    mean, std = found
    return {name: mean, f"{name}_std": std}


def duration(seconds: float) -> str:
    """Return seconds in the unit in which they read best."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 3600 else f"{seconds / 3600:.1f} h"


def seed_lists(row: Row) -> dict[str, Value]:
    """Return the seeds of a row, and those of its attacks if there are several."""
    lists = {"seeds": row.seeds, "attack_seeds": row.attack_seeds}
    return {name: " ".join(map(str, seeds)) for name, seeds in lists.items() if seeds}


def _mean(
    key: str,
    title: str,
    block: Block,
    measure: Callable[[Row], Mean],
    best: Best | None = "highest",
) -> Column:
    def numbers(row: Row) -> dict[str, Value]:
        return under_names(key, measure(row))

    return Column(key, title, block, numbers, lambda row: spread(measure(row)), best)


def _percentage(
    key: str, title: str, block: Block, read: Read, best: Best | None = "highest"
) -> Column:
    return _mean(key, title, block, partial(over_seeds, read=read), best)


def _best(board: Board) -> Best:
    """Return which value under attack speaks for the defense: of targets, a low rank may."""
    return "lowest" if board.targeted and board.pulls else "highest"


def _group_column(board: Board) -> Iterable[Column]:
    groups = board.groups

    def text(row: Row) -> str:
        return str(groups.get(row.label, MISSING))

    if groups:
        yield Column(
            "group", "Group", "overview", lambda row: {"group": groups.get(row.label)}, text
        )


def _trust_column(board: Board) -> Iterable[Column]:
    if board.vouched:
        yield Column(
            "trust",
            "Trust",
            "overview",
            lambda row: {"trust": row.trust.level},
            lambda row: row.trust.level,
        )


def _seeds(row: Row) -> str:
    """Return how many training seeds, by how many attack seeds if several, marked if few."""
    repeats = f"×{len(row.attack_seeds)}" if row.attack_seeds else ""
    return f"{len(row.seeds)}{repeats}{THIN if row.is_thin else ''}"


def _attack_columns(board: Board, block: Block) -> Iterable[Column]:
    """Yield what is shown of each attack, and for programs its mAP and rank-1 in any case."""
    attacks = attacks_of(board, block)
    names = attack_labels(attacks, always_eps=True)
    shown = {"map": ""}
    if board.targeted:
        shown = {f"target_{metric}": f" {name}" for metric, name in TARGET_METRICS.items()}
    for attack, label in attacks.items():
        for metric in dict.fromkeys(("map", "rank1", *shown)):
            title = label + shown[metric] if metric in shown else ""
            measure = partial(board.frame.mean_std, attack=attack, metric=metric)
            column = _mean(f"{names[attack]}_{metric}", title, block, measure, _best(board))
            yield column if board.targeted else _seen_marked(column, board, attack)


def _seen_marked(column: Column, board: Board, attack: AttackId) -> Column:
    """Return a column that marks the rows that were trained on its attack."""

    def text(row: Row) -> str:
        seen = any(one.seen_in_training for one in board.frame.results(row, attack))
        return column.text(row) + (SEEN if seen else "")

    return replace(column, text=text)


def _worst_columns(board: Board) -> Iterable[Column]:
    yield _percentage("worst_map", "Worst mAP", "overview", metrics.worst_map)
    yield Column("worst_map_ci95", "95% CI", "overview", _interval_bounds, _interval)
    yield _percentage("worst_rank1", "Worst R1", "overview", metrics.worst_rank1)
    reads = {"seen": metrics.worst_seen_map, "unseen": metrics.worst_unseen_map}
    known = {
        name: read
        for name, read in reads.items()
        if any(metrics.row_values(row.records, read) for row in board.rows)
    }
    for name, read in known.items():
        title = f"Worst {name}" if known.keys() == reads.keys() else ""
        yield _percentage(f"worst_{name}_map", title, "worst", read)


def _target_columns(board: Board) -> Iterable[Column]:
    for when, read in (("Clean", metrics.clean_target), ("Worst", metrics.strongest_target)):
        for metric, name in TARGET_METRICS.items():
            key, best = f"{when.lower()}_target_{metric}", None if when == "Clean" else _best(board)
            read_one = partial(read, metric=metric)
            yield _percentage(key, f"{when} {name}", "overview", read_one, best)


def _area_columns(board: Board) -> Iterable[Column]:
    """Yield the areas under the security curves of a swept board."""
    if not board.targeted:
        yield _percentage("worst_area", "Worst area", "worst", worst_area)
    families = attack_labels(attack._replace(eps=None) for attack in board.attacks)
    for family, label in families.items():
        read = partial(attack_area, family=family)
        yield _percentage(f"{label}_area", label, "areas", read, _best(board))


def _cross_columns(board: Board) -> Iterable[Column]:
    """Yield mAP on other data sets; nobody reads it beside targets, of which it says nothing."""
    for target in dict.fromkeys(c.dataset for r in board.records for c in r.cross_dataset):
        name = _short(target, board.example.dataset)
        for what, read in (("clean", metrics.cross_clean_map), ("worst", metrics.cross_worst_map)):
            title = "" if board.targeted else f"→ {name} {what}"
            read_one = partial(read, dataset=target)
            yield _percentage(f"cross_{target}_{what}_map", title, "cross", read_one)


def _interval_bounds(row: Row) -> dict[str, Value]:
    low, high = metrics.worst_interval(row.records) or (None, None)
    return {"worst_map_ci95_low": low, "worst_map_ci95_high": high}


def _interval(row: Row) -> str:
    low, high = metrics.worst_interval(row.records) or (None, None)
    return MISSING if low is None else f"{low:.1f}–{high:.1f}"


def _train_seconds(row: Row) -> dict[str, Value]:
    return {"train_seconds": metrics.train_seconds(row.records)}


def _train_time(row: Row) -> str:
    return duration(metrics.train_seconds(row.records))


def _flag_ids(row: Row) -> list[str]:
    return sorted(metrics.flag_ids(row.records))


def _flags(row: Row) -> dict[str, Value]:
    return {"flags": " ".join(_flag_ids(row))}


def _short(dataset: str, beside: str) -> str:
    """Drop the family name that two data sets share: ``campus`` beside ``synthped-plaza``."""
    family = beside.rpartition("-")[0]
    return dataset.removeprefix(f"{family}-") if family else dataset


def _leading_number(text: str) -> float | None:
    return None if text == MISSING else float(text.split()[0].removesuffix(SEEN))
