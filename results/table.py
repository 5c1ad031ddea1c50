"""The leaderboard as one pandas frame of raw numbers, for programs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from functools import partial

import pandas as pd

from results.board import Board, Row, make_boards
from results.columns import (
    attacked,
    cross_clean_map,
    cross_worst_map,
    flag_ids,
    row_values,
    train_seconds,
    worst_interval,
    worst_map,
    worst_rank1,
)
from results.labels import attack_labels
from results.schema import Record
from results.statistics import mean_std

_DECIMALS = 6

Value = str | int | float | None


def leaderboard_frame(records: Iterable[Record]) -> pd.DataFrame:
    """Return one row for each row of each board, best first within a board.

    Numbers are means over seeds, percentages 0-100; ``*_std`` is the sample standard deviation,
    missing for a single seed. Attacks are named with their budget: ``sma@8_map``.
    """
    rows = [_entries(board, row) for board in make_boards(records) for row in board.rows]
    columns = list(dict.fromkeys(key for row in rows for key in row))
    frame = pd.DataFrame(rows, columns=sorted(columns, key=partial(_reading_order, columns)))
    return frame.round(_DECIMALS)


def _entries(board: Board, row: Row) -> dict[str, Value]:
    record = row.records[0]
    interval = worst_interval(row)
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
        "seeds": " ".join(str(seed) for seed in row.seeds),
        "flags": " ".join(sorted(flag_ids(row))),
        "train_seconds": train_seconds(row),
    }
    entries |= _mean_and_std("clean_map", row, lambda r: r.clean.map)
    entries |= _mean_and_std("clean_rank1", row, lambda r: r.clean.rank1)
    entries |= _mean_and_std("worst_map", row, worst_map)
    entries["worst_map_ci95_low"] = interval[0] if interval else None
    entries["worst_map_ci95_high"] = interval[1] if interval else None
    entries |= _mean_and_std("worst_rank1", row, worst_rank1)
    for attack, label in attack_labels(board.attacks, always_eps=True).items():
        read_map = partial(attacked, attack=attack, metric="map")
        read_rank1 = partial(attacked, attack=attack, metric="rank1")
        entries |= _mean_and_std(f"{label}_map", row, read_map)
        entries |= _mean_and_std(f"{label}_rank1", row, read_rank1)
    for target in dict.fromkeys(c.dataset for r in row.records for c in r.cross_dataset):
        for what, read in (("clean", cross_clean_map), ("worst", cross_worst_map)):
            name = f"cross_{target}_{what}_map"
            entries |= _mean_and_std(name, row, partial(read, dataset=target))
    return entries


def _mean_and_std(name: str, row: Row, read: Callable[[Record], float | None]) -> dict[str, Value]:
    values = row_values(row, read)
    mean, std = mean_std(values) if values is not None else (None, None)
    return {name: mean, f"{name}_std": std}


def _reading_order(columns: list[str], name: str) -> tuple[bool, int]:
    """Keep the order of appearance, with the other data sets at the end."""
    return name.startswith("cross_"), columns.index(name)
