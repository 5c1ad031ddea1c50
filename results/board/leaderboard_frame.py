"""The leaderboard as rows of raw numbers, for programs."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING

from results.board import record_metrics as metrics
from results.board.boards import Board, Row
from results.board.columns import TARGET_METRICS
from results.board.curves import attack_area, is_swept, worst_area
from results.board.frame import Mean
from results.board.labels import attack_labels, trained_on
from results.board.plain_rows import Value, columns_of
from results.board.record_metrics import Read
from results.records.retrieval import AttackId
from results.statistics.bootstrap import mean_std

if TYPE_CHECKING:
    import pandas as pd


def leaderboard_frame(boards: Iterable[Board]) -> pd.DataFrame:
    """Return `leaderboard_rows` as a pandas frame."""
    import pandas as pd  # slow to import, and not needed to write the files of a board

    frame = pd.DataFrame(columns_of(leaderboard_rows(boards)))
    if "group" in frame:
        frame["group"] = frame["group"].astype("Int64")
    return frame


def leaderboard_rows(boards: Iterable[Board]) -> list[dict[str, Value]]:
    """Return one row for each row of each board, best first within a board.

    ``group`` is the tie group of a row, where its board has groups.

    Numbers are means over seeds, percentages 0-100; ``*_std`` is the sample standard deviation,
    missing for a single seed. Attacks are named with their budget: ``sma@8_map``. On boards whose
    attacks have targets, ``worst_target_*`` is under the attack that serves the attacker best;
    elsewhere ``*_area`` is the area under a security curve.
    """
    rows = [_entries(board, row) for board in boards for row in board.rows]
    names = dict.fromkeys(key for row in rows for key in row)
    in_order = sorted(names, key=lambda name: name.startswith("cross_"))
    return [dict.fromkeys(in_order) | row for row in rows[:1]] + rows[1:]


def board_entries(board: Board, row: Row) -> dict[str, Value]:
    """Return what tells the rows of all boards apart."""
    record = row.records[0]
    entries: dict[str, Value] = {
        "dataset": record.dataset,
        "backbone": record.backbone,
        "height": record.image_size[0],
        "width": record.image_size[1],
        "protocol": record.protocol.fingerprint,
        "threat": board.threat,
        "row": row.label,
        "defense": record.defense.name,
        "config": json.dumps(record.defense.config, sort_keys=True),
        "trained_against": " ".join(trained_on(record)),
        "seeds": " ".join(map(str, row.seeds)),
    }
    if row.attack_seeds:
        entries["attack_seeds"] = " ".join(map(str, row.attack_seeds))
    return entries


def mean_and_std(name: str, row: Row, read: Read) -> dict[str, Value]:
    """Return the mean over the seeds of a row and its deviation, under two names."""
    values = metrics.row_values(row.records, read)
    return under_names(name, mean_std(values) if values is not None else (None, None))


def under_names(name: str, found: Mean) -> dict[str, Value]:
    """Return a mean and its deviation under two names."""
    mean, std = found
    return {name: mean, f"{name}_std": std}


def _entries(board: Board, row: Row) -> dict[str, Value]:
    entries = board_entries(board, row)
    if board.groups:
        entries["group"] = board.groups.get(row.label)
    if board.vouched:
        entries["trust"] = row.trust.level
    entries["flags"] = " ".join(sorted(metrics.flag_ids(row.records)))
    entries["train_seconds"] = metrics.train_seconds(row.records)
    entries |= mean_and_std("clean_map", row, metrics.clean_map)
    entries |= mean_and_std("clean_rank1", row, metrics.clean_rank1)
    entries |= _targets(row) if board.targeted else _worst(row)
    labels = (attack_labels(group, always_eps=True) for group in (board.attacks, board.apart))
    for attack, label in (pair for group in labels for pair in group.items()):
        entries |= _under_attack(board, row, attack, label)
    if is_swept(board):
        entries |= _areas(board, row)
    for target in dict.fromkeys(c.dataset for r in row.records for c in r.cross_dataset):
        for what, read in (("clean", metrics.cross_clean_map), ("worst", metrics.cross_worst_map)):
            name = f"cross_{target}_{what}_map"
            entries |= mean_and_std(name, row, partial(read, dataset=target))
    return entries


def _worst(row: Row) -> dict[str, Value]:
    interval = metrics.worst_interval(row.records)
    entries = mean_and_std("worst_map", row, metrics.worst_map)
    entries["worst_map_ci95_low"] = interval[0] if interval else None
    entries["worst_map_ci95_high"] = interval[1] if interval else None
    entries |= mean_and_std("worst_rank1", row, metrics.worst_rank1)
    for name, read in (("seen", metrics.worst_seen_map), ("unseen", metrics.worst_unseen_map)):
        if metrics.row_values(row.records, read):
            entries |= mean_and_std(f"worst_{name}_map", row, read)
    return entries


def _targets(row: Row) -> dict[str, Value]:
    entries: dict[str, Value] = {}
    for when, read in (("clean", metrics.clean_target), ("worst", metrics.strongest_target)):
        for metric in TARGET_METRICS:
            name = f"{when}_target_{metric}"
            entries |= mean_and_std(name, row, partial(read, metric=metric))
    return entries


def _under_attack(board: Board, row: Row, attack: AttackId, label: str) -> dict[str, Value]:
    targets = [f"target_{metric}" for metric in TARGET_METRICS] if board.targeted else []
    entries: dict[str, Value] = {}
    for metric in ("map", "rank1", *targets):
        entries |= under_names(f"{label}_{metric}", board.frame.mean_std(row, attack, metric))
    return entries


def _areas(board: Board, row: Row) -> dict[str, Value]:
    entries = {} if board.targeted else mean_and_std("worst_area", row, worst_area)
    families = attack_labels(attack._replace(eps=None) for attack in board.attacks)
    for family, label in families.items():
        entries |= mean_and_std(f"{label}_area", row, partial(attack_area, family=family))
    return entries
