"""What the page of a board carries for its script: outcomes of the attacks, curves, flags."""

from __future__ import annotations

from typing import Any

from results.board.boards import Board
from results.board.curves import answer_panels, budget_panels
from results.render.site.attack_outcomes import (
    AttackOutcome,
    all_attacks,
    attack_outcomes,
    counted_attacks,
    knowledge_of,
    metric_name,
)
from results.render.site.board_table import BoardTable
from results.render.site.context import SiteContext, row_id

KNOWLEDGE = {
    "white": "white-box",
    "transfer": "transfer",
    "score": "score-based",
    "decision": "decision-based",
    "none": "control",
}
"""What an attack sees of the encoder, by the word of the records."""

_DECIMALS = 2


def board_data(board: Board, table: BoardTable, context: SiteContext) -> dict[str, Any]:
    """Return plain values, short where there are many: rows name attacks by their places."""
    attacks, knowledge, counted = all_attacks(board), knowledge_of(board), counted_attacks(board)
    places = {attack: number for number, attack in enumerate(attacks)}
    raised = table.facets.get("flag", ())
    words = context.glossary.flags
    return {
        "metric": metric_name(board),
        "first": "target first" if board.targeted else "rank-1",
        "strongest": "highest" if board.pulls else "lowest",
        "knowledge": present_knowledge(board),
        "attacks": [
            {
                "label": label,
                "name": attack.name,
                "knowledge": knowledge[attack],
                "eps": attack.eps,
                "counted": attack in counted,
            }
            for attack, label in attacks.items()
        ],
        "rows": {
            row_id(row): [
                [places[attack], *_listed(one)]
                for attack, one in attack_outcomes(board, row).items()
            ]
            for row in board.rows
        },
        "curves": _curves(board),
        "flags": {id_: [words[id_].means, words[id_].do] for id_ in raised if id_ in words},
    }


def present_knowledge(board: Board) -> dict[str, str]:
    """Return the kinds of knowledge of the attacks of a board, with words for them."""
    found = set(knowledge_of(board).values())
    return {key: words for key, words in KNOWLEDGE.items() if key in found}


def _listed(one: AttackOutcome) -> list[Any]:
    """Return the numbers, then whether it was seen and its flags, where there is that to say."""
    numbers = (one.value, one.std, one.rank1, one.share)
    shown: list[Any] = [None if number is None else round(number, _DECIMALS) for number in numbers]
    if one.flags:
        return [*shown, int(one.seen), list(one.flags)]
    return [*shown, 1] if one.seen else shown


def _curves(board: Board) -> dict[str, list[dict[str, Any]]]:
    """Return the curves of each row over budgets and over answers."""
    ids = {row.label: row_id(row) for row in board.rows}
    found: dict[str, list[dict[str, Any]]] = {}
    for panel in (*budget_panels(board), *answer_panels(board)):
        for curve in panel.curves:
            points = [round(value, _DECIMALS) for value in curve.mean]
            line = {"title": panel.title, "axis": panel.axis, "x": curve.x, "y": points}
            found.setdefault(ids[curve.label], []).append(line)
    return found
