"""Outcomes of the queries of a row, packed so small that a browser can compare rows by itself."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from results.board.boards import Board, Row
from results.board.comparison import CLEAN, WORST
from results.board.record_metrics import result_of
from results.records.query_outcomes import (
    Measured,
    QueryOutcome,
    of_records,
    outcome_under,
    worst_outcome,
)
from results.records.schema import Record
from results.records.store import PerQuery

STEPS = 65534
"""AP in [0, 1] is rounded to so many steps: 0.0008 percentage points off at most."""
NOT_COUNTED = 65535
"""Stands for a query that does not count."""


@dataclass(frozen=True)
class PackedOutcome:
    """Outcome of Q queries, in base64.

    Attributes:
        ap: AP as little-endian 16-bit numbers, averaged over attack seeds.
        first: Whether the nearest image is a match: a bit each, the first query lowest; one text
            for each attack seed.
    """

    ap: str
    first: tuple[str, ...]


@dataclass(frozen=True)
class PackedTraining:
    """What one training of a row gave.

    Attributes:
        seed: Of the training.
        under: In the order of `contrast_names`; None where the row was not measured so.
    """

    seed: int
    under: tuple[PackedOutcome | None, ...]


def contrast_names(board: Board) -> tuple[str, ...]:
    """Return what rows can be compared under: the worst case, clean, and each attack."""
    return (WORST, CLEAN, *board.attacks.values(), *board.apart.values())


def packed_trainings(board: Board, row: Row, measured: Measured) -> tuple[PackedTraining, ...]:
    """Return the outcomes of a row at each training seed for which they are at hand.

    Raises:
        RecordError: A per-query file lacks an attack of its record.
    """
    looks = _looks(board, row)
    return tuple(
        PackedTraining(
            seed,
            tuple(
                None if look is None else packed(look(record, measured[record.id]))
                for look in looks
            ),
        )
        for seed, record in of_records(row.records, measured).items()
    )


def packed(outcome: QueryOutcome) -> PackedOutcome:
    """Return an outcome in base64."""
    ap = outcome.ap.mean(axis=0)
    steps = np.where(np.isnan(ap), NOT_COUNTED, np.rint(np.clip(np.nan_to_num(ap), 0, 1) * STEPS))
    first = np.packbits(outcome.first, axis=1, bitorder="little")
    return PackedOutcome(_base64(steps.astype("<u2")), tuple(_base64(one) for one in first))


def _looks(board: Board, row: Row) -> tuple[Callable[[Record, PerQuery], QueryOutcome] | None, ...]:
    """Return how to read each contrast of a record; None where a record of the row lacks it."""
    has_worst = all(one.worst_case is not None and one.worst_case.attacks for one in row.records)
    found: list[Callable[[Record, PerQuery], QueryOutcome] | None] = [
        worst_outcome if has_worst else None,
        lambda _, outcomes: outcome_under(outcomes, "clean"),
    ]
    for attack in (*board.attacks, *board.apart):
        results = [result_of(record, attack) for record in row.records]
        key = results[0].key if results[0] is not None and None not in results else None
        found.append(None if key is None else _under(key))
    return tuple(found)


def _under(key: str) -> Callable[[Record, PerQuery], QueryOutcome]:
    return lambda _, outcomes: outcome_under(outcomes, key)


def _base64(values: NDArray[np.generic]) -> str:
    return base64.b64encode(values.tobytes()).decode("ascii")
