"""What the attacks of a board did to each of its rows, and which was the strongest."""

from __future__ import annotations

from dataclasses import dataclass

from results.board.boards import Board, Row
from results.board.frame import SHARE
from results.board.record_metrics import counted
from results.records.retrieval import AttackId


@dataclass(frozen=True)
class AttackOutcome:
    """One row of a board under one attack; percentages are means over trainings.

    Attributes:
        value: mAP, or that of the target identities where there are some.
        std: Its deviation over trainings; None at a single one.
        rank1: Queries that still find the right person first, or their target.
        share: Queries at which no other attack is worse; None where that is not known.
        seen: Whether the training saw the attack.
        flags: Sanity flags of the attack on this row.
    """

    value: float
    std: float | None
    rank1: float | None
    share: float | None
    seen: bool
    flags: tuple[str, ...]


def all_attacks(board: Board) -> dict[AttackId, str]:
    """Return all attacks of a board with their labels, additive ones first."""
    return board.attacks | board.apart


def shown_metric(board: Board) -> str:
    """Return the metric that an attack moves: that of targets where there are some."""
    return "target_map" if board.targeted else "map"


def metric_name(board: Board) -> str:
    """Return that metric as tables name it."""
    return "target mAP" if board.targeted else "mAP"


def attack_outcomes(board: Board, row: Row) -> dict[AttackId, AttackOutcome]:
    """Return what each attack did to a row; attacks that it was not measured under are absent."""
    metric = shown_metric(board)
    rank1 = metric.replace("map", "rank1")
    found = {}
    for attack in all_attacks(board):
        means = board.frame.means(row, attack)
        results = board.frame.results(row, attack)
        value = means[metric]
        if value is None:
            continue
        found[attack] = AttackOutcome(
            value=value,
            std=board.frame.mean_std(row, attack, metric)[1],
            rank1=means[rank1],
            share=means[SHARE],
            seen=any(one.seen_in_training for one in results),
            flags=tuple(sorted({flag.id for one in results for flag in one.flags})),
        )
    return found


def counted_attacks(board: Board) -> set[AttackId]:
    """Return the attacks that the worst case of a board covers."""
    return {AttackId.of(one) for one in counted(board.example)}


def knowledge_of(board: Board) -> dict[AttackId, str]:
    """Return what each attack of a board sees of an encoder: ``white``, ``score``; see records."""
    return {AttackId.of(one): one.knowledge for record in board.records for one in record.attacks}
