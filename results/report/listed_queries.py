"""The ranked lists of a record, before and under an attack, as plain values."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from results.records.query_outcomes import outcome_under
from results.records.ranked_lists import RankedLists
from results.records.store import PerQuery
from results.report.content import Listed, ListedImage, ListedQuery
from results.report.identities import CLEAN


def listed_queries(lists: RankedLists, outcomes: PerQuery | None) -> Listed:
    """Return ranked lists as plain values; without outcomes no AP is told.

    Raises:
        RecordError: The outcomes lack the attack of the lists.
    """
    clean = attacked = None
    if outcomes is not None:
        clean, attacked = (
            outcome_under(outcomes, key).ap.mean(axis=0) for key in (CLEAN, lists.attack)
        )
    return Listed(
        lists.attack,
        tuple(
            ListedQuery(
                row=int(row),
                ap=_ap(clean, row),
                attacked_ap=_ap(attacked, row),
                clean=_images(lists.clean[place], lists.clean_match[place]),
                attacked=_images(lists.attacked[place], lists.attacked_match[place]),
            )
            for place, row in enumerate(lists.rows)
        ),
    )


def _ap(values: NDArray[np.float64] | None, row: np.int64) -> float | None:
    value = math.nan if values is None else 100 * float(values[row])
    return None if math.isnan(value) else value


def _images(rows: NDArray[np.int64], matches: NDArray[np.bool_]) -> tuple[ListedImage, ...]:
    pairs = zip(rows.tolist(), matches.tolist(), strict=True)
    return tuple(ListedImage(row, match) for row, match in pairs if row >= 0)
