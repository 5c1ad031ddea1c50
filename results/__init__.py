"""The record of a run: schema, store, statistics, tables. Never imports torch.

The names below are loaded when they are first used, so that ``import results`` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from results.board import Board as Board
    from results.board import make_boards as make_boards
    from results.console import print_leaderboard as print_leaderboard
    from results.errors import RecordError as RecordError
    from results.leaderboard import write_leaderboard as write_leaderboard
    from results.schema import AttackResult as AttackResult
    from results.schema import Record as Record
    from results.statistics import cluster_bootstrap_ci as cluster_bootstrap_ci
    from results.store import PerQuery as PerQuery
    from results.store import load_per_query as load_per_query
    from results.store import load_record as load_record
    from results.store import read_records as read_records
    from results.store import write_record as write_record
    from results.table import leaderboard_frame as leaderboard_frame

_HOME = {
    "Board": "board",
    "make_boards": "board",
    "print_leaderboard": "console",
    "RecordError": "errors",
    "write_leaderboard": "leaderboard",
    "AttackResult": "schema",
    "Record": "schema",
    "cluster_bootstrap_ci": "statistics",
    "PerQuery": "store",
    "load_per_query": "store",
    "load_record": "store",
    "read_records": "store",
    "write_record": "store",
    "leaderboard_frame": "table",
}

__all__ = list(_HOME)


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
