"""Security curves: mAP over the budget of an attack, or over the answers that it was given."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Literal

from results.board.boards import Board, Row
from results.board.labels import attack_labels
from results.board.plain_rows import Value
from results.board.record_metrics import clean_target, result_of, target_of
from results.records.retrieval import AttackId, AttackResult
from results.records.schema import Record
from results.statistics.bootstrap import mean_std

FEWEST_BUDGETS = 3
"""Budgets that a curve needs, beside none at all."""

WORST = "worst case"


Axis = Literal["eps", "answers"]
Points = Mapping[float, float]
"""Percentages by budget or by answers, from 0 (clean) upward."""


@dataclass(frozen=True)
class Curve:
    """One row of a board under one attack.

    Attributes:
        label: The row.
        x: Budgets in 1/255 units or answers, ascending from 0.
        mean: Percentage at each, over seeds.
        low: The lowest seed's.
        high: The highest seed's.
        seeds: Number of seeds.
    """

    label: str
    x: tuple[float, ...]
    mean: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    seeds: int


@dataclass(frozen=True)
class CurvePanel:
    """All rows of a board under one attack.

    Attributes:
        title: The attack, or ``worst case``.
        axis: What the curves run over.
        attacks: The attack at each budget; none for the worst case.
        curves: One for each row that was measured.
    """

    title: str
    axis: Axis
    attacks: tuple[AttackId, ...]
    curves: tuple[Curve, ...]


def is_swept(board: Board) -> bool:
    """Return whether a board holds enough budgets for a curve."""
    return len({attack.eps for attack in board.attacks} - {None, 0.0}) >= FEWEST_BUDGETS


def budget_panels(board: Board) -> list[CurvePanel]:
    """Return the curves over budgets: the worst case first, then each additive attack.

    A board whose attacks have targets shows the mAP of the targets, and no worst case.
    """
    if not is_swept(board):
        return []
    families = attack_labels(attack._replace(eps=None) for attack in board.attacks)
    panels = [] if board.targeted else [_panel(board, WORST, "eps", (), worst_points)]
    for family, label in families.items():
        attacks = tuple(one for one in board.attacks if one._replace(eps=None) == family)
        read = partial(attack_points, family=family)
        panels.append(_panel(board, label, "eps", attacks, read))
    return [panel for panel in panels if panel.curves]


def answer_panels(board: Board) -> list[CurvePanel]:
    """Return the curves of black-box attacks over the answers given for each image."""
    if board.targeted:  # what is recorded is the own identity's mAP
        return []
    panels = [
        _panel(board, label, "answers", (attack,), partial(_answer_points, attack=attack))
        for attack, label in board.attacks.items()
        if any(one.curve for row in board.rows for one in board.frame.results(row, attack))
    ]
    return [panel for panel in panels if panel.curves]


def worst_points(record: Record) -> Points:
    """Return the worst-case mAP at each budget, the clean one at 0; empty without a sweep."""
    swept = {point.eps: point.map for point in record.worst_by_eps}
    return {0.0: record.clean.map, **dict(sorted(swept.items()))} if swept else {}


def attack_points(record: Record, family: AttackId) -> Points:
    """Return the mAP at each budget of an attack, or that of its targets if it has some.

    Args:
        record: Whose.
        family: The attack, without a budget.
    """
    named = (a for a in record.attacks if a.name == family.name)
    found = [a for a in named if AttackId.of(a)._replace(eps=None) == family]
    clean = clean_target(record) if family.intent != "dodge" else record.clean.map
    measured = {a.eps: value for a in found if (value := _measured(a)) is not None}
    known = sorted((eps, value) for eps, value in measured.items() if eps)
    return {0.0: clean, **dict(known)} if known and clean is not None else {}


def area(points: Points) -> float | None:
    """Return the area under a curve by trapezoids, as a percentage of that of 100% throughout."""
    steps = sorted(points.items())
    if len(steps) < 2 or steps[0][0] == steps[-1][0]:
        return None
    total = sum((x1 - x0) * (y0 + y1) / 2 for (x0, y0), (x1, y1) in pairwise(steps))
    return total / (steps[-1][0] - steps[0][0])


def worst_area(record: Record) -> float | None:
    """Return the area under the worst-case curve of a record."""
    return area(worst_points(record))


def attack_area(record: Record, family: AttackId) -> float | None:
    """Return the area under the curve of an attack; see `attack_points`."""
    return area(attack_points(record, family))


def _measured(result: AttackResult) -> float | None:
    return result.map if result.intent == "dodge" else target_of(result)


def _answer_points(record: Record, attack: AttackId) -> Points:
    found = result_of(record, attack)
    if found is None or not found.curve:
        return {}
    return {0.0: record.clean.map, **{float(p.queries): p.map for p in found.curve}}


def _panel(
    board: Board,
    title: str,
    axis: Axis,
    attacks: tuple[AttackId, ...],
    read: Callable[[Record], Points],
) -> CurvePanel:
    curves = (_curve(row, [read(record) for record in row.records]) for row in board.rows)
    return CurvePanel(title, axis, attacks, tuple(curve for curve in curves if curve is not None))


def _curve(row: Row, points: Sequence[Points]) -> Curve | None:
    """Return the curve over what all seeds measured."""
    shared = sorted(set.intersection(*(set(one) for one in points)))
    if len(shared) < 2:
        return None
    values = [[one[x] for one in points] for x in shared]
    return Curve(
        label=row.label,
        x=tuple(shared),
        mean=tuple(mean_std(column)[0] for column in values),
        low=tuple(map(min, values)),
        high=tuple(map(max, values)),
        seeds=len(points),
    )


def curve_rows(boards: Iterable[Board]) -> list[dict[str, Value]]:
    """Return one row for each point of each curve of some boards.

    ``x`` is a budget in 1/255 units or the answers given for each image, as ``axis`` says.
    """
    return [
        {
            "dataset": board.example.dataset,
            "protocol": board.example.protocol.fingerprint,
            "threat": board.threat,
            "row": curve.label,
            "attack": panel.title,
            "axis": panel.axis,
            "x": x,
            "map_mean": mean,
            "map_min": low,
            "map_max": high,
            "seeds": curve.seeds,
        }
        for board in boards
        for panel in (*budget_panels(board), *answer_panels(board))
        for curve in panel.curves
        for x, mean, low, high in zip(curve.x, curve.mean, curve.low, curve.high, strict=True)
    ]
