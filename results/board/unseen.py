"""The matrix of train attack by test attack: how far a training carries to attacks it never saw."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from results.board.boards import Board, Row
from results.board.columns import over_seeds, under_names
from results.board.labels import given_label, trained_on
from results.board.leaderboard_frame import board_entries
from results.board.plain_rows import Value
from results.board.record_metrics import counted, result_of, worst_map, worst_unseen_map
from results.records.retrieval import AttackId
from results.records.schema import Record


@dataclass(frozen=True)
class Matrix:
    """Trainings of a board by the attacks that they are tested with.

    Attributes:
        board: The board.
        rows: Its rows, the trainings of one defense together, undefended ones last.
        attacks: The attacks that the worst case covers, with their names.
    """

    board: Board
    rows: tuple[Row, ...]
    attacks: dict[AttackId, str]

    @property
    def threat(self) -> str:
        """What the attacks of the matrix may do, in a few words."""
        return self.board.threat_of(self.attacks)

    @property
    def names(self) -> list[str]:
        """Names of the rows: each defense and what it was trained against."""
        names = [_row_name(row) for row in self.rows]
        if len(set(names)) < len(names):  # variants of one defense
            return [row.label for row in self.rows]
        return names

    def seen(self, row: Row, attack: AttackId) -> bool:
        """Return whether a training saw an attack."""
        return attack.name in trained_on(row.records[0])

    def unseen_mean(self, record: Record) -> float | None:
        """Return the mean mAP of a record over the attacks that its training did not see."""
        known = set(trained_on(record))
        found = [result_of(record, one) for one in self.attacks if one.name not in known]
        numbers = [one.map for one in found if one is not None]
        return sum(numbers) / len(numbers) if numbers else None


def make_matrices(boards: Iterable[Board]) -> list[Matrix]:
    """Return a matrix for each board on which a defense was trained against several attacks."""
    return [matrix for board in boards if (matrix := _matrix(board))]


def unseen_rows(matrices: Iterable[Matrix]) -> list[dict[str, Value]]:
    """Return one row for each training and test attack; numbers are means over seeds."""
    rows = []
    for matrix in matrices:
        for row in matrix.rows:
            for attack in matrix.attacks:
                entries = board_entries(matrix.board, row)
                entries |= {"attack": attack.name, "eps": attack.eps}
                entries["seen"] = matrix.seen(row, attack)
                entries |= under_names("map", matrix.board.frame.mean_std(row, attack, "map"))
                entries |= under_names("unseen_mean_map", over_seeds(row, matrix.unseen_mean))
                entries |= under_names("worst_unseen_map", over_seeds(row, worst_unseen))
                rows.append(entries)
    return rows


def worst_unseen(record: Record) -> float | None:
    """Return the worst-case mAP over unseen attacks: over all, if the training saw none of them."""
    tested = {attack.name for attack in record.attacks}
    return worst_unseen_map(record) if tested & set(trained_on(record)) else worst_map(record)


def _matrix(board: Board) -> Matrix | None:
    trainings: dict[str, set[tuple[str, ...]]] = {}
    for row in board.rows:
        against = trained_on(row.records[0])
        if against:
            trainings.setdefault(row.records[0].defense.name, set()).add(against)
    if board.targeted or not any(len(against) > 1 for against in trainings.values()):
        return None
    attacks = {AttackId.of(one): one.name for one in counted(board.example)}
    return Matrix(board, tuple(sorted(board.rows, key=_order)), attacks)


def _row_name(row: Row) -> str:
    against = ", ".join(trained_on(row.records[0]))
    name = given_label(row.records) or row.records[0].defense.name
    return f"{name} ← {against}" if against else name


def _order(row: Row) -> tuple[bool, str, tuple[str, ...], str]:
    record = row.records[0]
    against = trained_on(record)
    return (not against, record.defense.name, against, row.label)
