"""From records to boards: which of them may be compared, and which make one row."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace

from results.board.board_key import board_key
from results.board.boards import Board, Row
from results.board.labels import attack_labels, row_labels
from results.board.record_metrics import clean_map, row_values, strongest_target, worst_map
from results.records.query_outcomes import Measured
from results.records.retrieval import ADDITIVE, AttackId
from results.records.schema import Record
from results.statistics.bootstrap import mean_std
from results.statistics.paired_tests import groups_of
from results.trust.statement import Stated, trust_of


def make_boards(
    records: Iterable[Record], measured: Measured | None = None, stated: Stated | None = None
) -> list[Board]:
    """Sort records into boards, and average nothing that does not belong together.

    Two records share a board if they agree on data set, image size, protocol fingerprint, budgets,
    scenario (attacked sides and fraction, intents and targets), and the attacks that the worst
    case covers. They share a row if they also agree on backbone, defense, config, behaviour,
    epochs and training recipe, and differ in seed.

    Args:
        records: Any number, in any order.
        measured: Outcomes of their queries; without them there are no tie groups.
        stated: What was stated about them; the statements of this project if left out.

    Returns:
        Boards in the order of their titles' parts.
    """
    groups: dict[str, list[Record]] = {}
    for record in records:
        groups.setdefault(board_key(record), []).append(record)
    return [_grouped(_board(groups[key], stated), measured or {}) for key in sorted(groups)]


def _grouped(board: Board, measured: Measured) -> Board:
    """Sort rows, if there are several, into tie groups by the worst case; targets have none."""
    ranked = [row for row in board.rows if row.trust.is_ranked]
    if (
        len(ranked) < 2
        or board.targeted
        or any(record.worst_case is None for record in board.records)
    ):
        return board
    found = zip(ranked, groups_of([row.records for row in ranked], measured), strict=True)
    return replace(board, groups={row.label: g for row, g in found if g is not None})


def _board(records: Sequence[Record], stated: Stated | None) -> Board:
    ordered = sorted(records, key=lambda r: (r.defense.name, r.seed, r.label is not None, r.id))
    groups: dict[str, list[Record]] = {}
    for record in ordered:
        groups.setdefault(_row_key(record), []).append(record)
    rows = [part for group in groups.values() for part in _one_record_per_seed(group)]
    labelled = [
        Row(label, part, trust_of(part, stated))
        for label, part in zip(row_labels(rows), rows, strict=True)
    ]
    labelled.sort(key=standing)
    ids = [AttackId.of(a) for row in labelled for r in row.records for a in r.attacks]
    names = list(dict.fromkeys(one.name for one in ids))
    ids.sort(key=lambda one: names.index(one.name))  # the budgets of an attack stand together
    return Board(
        tuple(labelled),
        attack_labels(one for one in ids if one.norm == ADDITIVE),
        attack_labels(one for one in ids if one.norm != ADDITIVE),
    )


def _one_record_per_seed(group: list[Record]) -> list[tuple[Record, ...]]:
    """Split a row in which a seed occurs twice: such records differ in something unnamed.

    A result that was recorded twice, by two states of the code, has the same figures and is one.
    """
    results: dict[tuple[float, ...], Record] = {}
    for record in group:
        results.setdefault((record.seed, *_figures(record)), record)
    kept = list(results.values())
    if len({record.seed for record in kept}) == len(kept):
        return [tuple(kept)]
    return [(record,) for record in kept]


def _figures(record: Record) -> tuple[float, ...]:
    return (record.clean.map, *(attack.map for attack in record.attacks))


def standing(row: Row) -> tuple[bool, bool, float, float, str]:
    """Return what sorts the most robust row first, then those without an attack or a rank."""
    intents = {attack.intent for record in row.records for attack in record.attacks}
    values = row_values(row.records, strongest_target if intents - {"dodge"} else worst_map)
    robust = mean_std(values)[0] if values else 0.0
    sign = 1 if "impersonate" in intents else -1
    clean = mean_std([clean_map(record) for record in row.records])[0]
    return (not row.trust.is_ranked, not values, sign * robust, -clean, row.label)


def _row_key(record: Record) -> str:
    defense, training = record.defense, record.training
    parts = [record.backbone, defense.name, defense.config, defense.behaviour, training.epochs]
    return json.dumps([*parts, training.recipe], sort_keys=True)
