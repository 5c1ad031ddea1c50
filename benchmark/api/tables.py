"""What boards measured, as pandas frames and figures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pandas as pd
from matplotlib.figure import Figure

from benchmark.core.errors import UsageError
from results.board.boards import Board, Row
from results.render.attack_figure import draw_attacks
from results.render.figures import draw_figures

CLEAN, WORST = "clean", "worst case"
ATTACKS = "attacks"
_CLEAN_METRICS = ("map", "rank1", "rank5", "rank10", "minp")
_WORST_METRICS = ("map", "rank1")


def tidy_frame(boards: Sequence[Board]) -> pd.DataFrame:
    """Return a line for each number: board, dataset, row, seed, attack, eps_255, metric, value.

    Percentages are 0-100. The attack is ``clean`` or ``worst case`` for what is under none or under
    the worst for each query; their budget is empty.
    """
    parts = []
    for board in boards:
        attacked = board.frame.tidy().rename(columns={"eps": "eps_255"})
        whole = pd.DataFrame(
            [line for row in board.rows for line in _without_attack(row)],
            columns=["row", "seed", "attack", "metric", "value"],
        )
        both = pd.concat([whole, attacked], ignore_index=True)
        both.insert(0, "board", board.slug)
        both.insert(1, "dataset", board.example.dataset)
        parts.append(both)
    columns = ["board", "dataset", "row", "seed", "attack", "eps_255", "metric", "value"]
    frame = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)
    return frame[columns]


def figure_named(boards: Sequence[Board], kind: str) -> Figure:
    """Return the first figure of a kind.

    Raises:
        UsageError: There is none of this kind.
    """
    if kind == ATTACKS and boards:
        return draw_attacks(boards[0])
    kinds = [ATTACKS]
    for found, _, figure in draw_figures(boards):
        if found == kind:
            return figure
        kinds.append(found)
    raise UsageError(
        f"there is no figure {kind!r} of these results",
        f"there are: {', '.join(dict.fromkeys(kinds))}; curves need two budgets, "
        "a trade-off two rows",
    )


def _without_attack(row: Row) -> Iterator[tuple[str, int, str, str, float]]:
    for record in row.records:
        for metric in _CLEAN_METRICS:
            yield row.label, record.seed, CLEAN, metric, getattr(record.clean, metric)
        for metric in _WORST_METRICS if record.worst_case else ():
            yield row.label, record.seed, WORST, metric, getattr(record.worst_case, metric)
