"""Check the records of a submission together: every row has all seeds and met all attacks."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from results.board.boards import Board, Row
from results.board.make_boards import make_boards
from results.records.printable import printable
from results.records.retrieval import AttackId
from results.records.schema import Record
from results.statistics.spread import ENOUGH_SEEDS
from results.submission.problem import Problem

FIXED = "pretrained"
"""Defense whose encoder exists already: nothing is trained, so one seed says all."""


def grid_problems(records: Sequence[Record], standard: Collection[str]) -> Iterator[Problem]:
    """Yield what is missing in the grid of rows, seeds and attacks; all of it are warnings.

    Args:
        records: Those that are to be published together.
        standard: Names of the attacks that every row of a board meets.
    """
    for board in make_boards(records):
        for row in board.rows:
            yield from _seeds(row)
            yield from _attacks(board, row, standard)


def _seeds(row: Row) -> Iterator[Problem]:
    is_trained = row.records[0].defense.name != FIXED
    if is_trained and len(row.records) < ENOUGH_SEEDS:
        yield Problem(
            f"{printable(row.label)}: {len(row.records)} training seeds, not {ENOUGH_SEEDS}",
            "run it with --seed 0 1 2",
            grade="warning",
        )


def _attacks(board: Board, row: Row, standard: Collection[str]) -> Iterator[Problem]:
    for record in row.records:
        where = f"{printable(row.label)}, seed {record.seed}"
        tried = {one.name for one in record.attacks}
        if lost := sorted(set(standard) - tried):
            yield Problem(
                f"{where}: not attacked with {', '.join(lost)}",
                "run it without --attack, or add default to it",
                grade="warning",
            )
        met = {AttackId.of(one) for one in record.attacks}
        wanted = [*board.attacks, *board.apart]
        if other := [f"{one.name}@{one.eps:g}" for one in wanted if one not in met and one.eps]:
            yield Problem(
                f"{where}: other rows met {printable(', '.join(other))}, too",
                "run all rows with the same options",
                grade="warning",
            )
        repeats = {tuple(s.attack_seed for s in one.by_attack_seed) for one in record.attacks}
        if len(repeats - {()}) > 1:
            yield Problem(
                f"{where}: its attacks were measured with different attack seeds",
                "run it again with one --attack-seed list",
                grade="warning",
            )
