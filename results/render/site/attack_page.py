"""The attacks of a board: how often each is the strongest, how far it goes, and its cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from results.board.boards import Board, Row
from results.board.frame import SHARE
from results.board.record_metrics import clean_map, clean_target, row_values
from results.records.retrieval import AttackId
from results.render.page_template import rendered
from results.render.site.attack_outcomes import (
    AttackOutcome,
    all_attacks,
    attack_outcomes,
    counted_attacks,
    knowledge_of,
    metric_name,
)
from results.render.site.board_data import KNOWLEDGE
from results.render.site.context import SiteContext, row_id
from results.statistics.bootstrap import mean_std

_COSTS = ("seconds", "forwards", "backwards", "answers")


@dataclass(frozen=True)
class AttackRow:
    """An attack against all rows of a board; percentages and costs are means over them.

    Attributes:
        label: Its name.
        about: What it does, in a line; empty where that is not known.
        knowledge: What it sees of an encoder.
        wins: Rows on which no counted attack is stronger; None where it is not counted.
        rows: Rows that were measured under it.
        share: Queries at which no other attack is worse.
        value: What is left under it: mAP, or that of the targets.
        drop: How far the clean value moves.
        costs: For all images, by their names: ``seconds``, ``forwards``.
        flags: Sanity flags that it raised on some row.
        by_row: Id, label and value of each row, the most robust first.
    """

    label: str
    about: str
    knowledge: str
    wins: int | None
    rows: int
    share: float | None
    value: float | None
    drop: float | None
    costs: Mapping[str, float | None]
    flags: tuple[str, ...]
    by_row: tuple[tuple[str, str, AttackOutcome], ...]


def attack_page(context: SiteContext, board: Board) -> str:
    """Return the page of the attacks of a board."""
    attacks = attack_lines(context, board)
    return rendered(
        "site_attacks.html",
        root="../../",
        snapshot=context.snapshot,
        board=board,
        attacks=attacks,
        knowledge=KNOWLEDGE,
        metric=metric_name(board),
        data={"metric": metric_name(board), "rows": [_listed(one) for one in attacks]},
    )


def attack_lines(context: SiteContext, board: Board) -> list[AttackRow]:
    """Return the attacks of a board, those that win most often first."""
    outcomes = [(row, attack_outcomes(board, row)) for row in board.rows]
    wins = _wins(board, [found for _, found in outcomes])
    knowledge, counted = knowledge_of(board), counted_attacks(board)
    lines = []
    for attack, label in all_attacks(board).items():
        met = [(row, found[attack]) for row, found in outcomes if attack in found]
        costs = {metric: _mean(board.frame.values(attack, metric)) for metric in _COSTS}
        lines.append(
            AttackRow(
                label=label,
                about=context.glossary.attacks.get(attack.name, ""),
                knowledge=knowledge[attack],
                wins=wins[attack] if attack in counted else None,
                rows=len(met),
                share=_mean(board.frame.values(attack, SHARE)),
                value=_mean([one.value for _, one in met]),
                drop=_mean([_clean(row, board) - one.value for row, one in met]),
                costs=costs,
                flags=tuple(sorted({flag for _, one in met for flag in one.flags})),
                by_row=tuple((row_id(row), row.label, one) for row, one in met),
            )
        )
    return sorted(lines, key=lambda one: (one.wins is None, -(one.wins or 0), -abs(one.drop or 0)))


def _wins(board: Board, outcomes: Sequence[Mapping[AttackId, AttackOutcome]]) -> Counter[AttackId]:
    """Count the rows on which a counted attack is the strongest; equals win together."""
    counted, choose = counted_attacks(board), max if board.pulls else min
    wins: Counter[AttackId] = Counter()
    for found in outcomes:
        values = {attack: one.value for attack, one in found.items() if attack in counted}
        strongest = choose(values.values(), default=None)
        wins.update(attack for attack, value in values.items() if value == strongest)
    return wins


def _clean(row: Row, board: Board) -> float:
    values = row_values(row.records, clean_target if board.targeted else clean_map)
    return mean_std(values)[0] if values else 0.0


def _mean(values: Sequence[float]) -> float | None:
    return mean_std(values)[0] if values else None


def _listed(attack: AttackRow) -> list[list[Any]]:
    """Return id, label, value, deviation and whether it was seen, for each row of the board."""
    return [
        [id_, label, round(one.value, 2), None if one.std is None else round(one.std, 2), one.seen]
        for id_, label, one in attack.by_row
    ]
