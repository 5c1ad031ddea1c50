"""What a row measured under attacks, as the page of the row says it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial

from results.board import record_metrics as metrics
from results.board.boards import Board, Row
from results.board.curves import CurvePanel
from results.board.record_metrics import Read
from results.records.retrieval import AttackId, AttackResult
from results.render.site.entry_content import AttackOfRow, Headline, OtherData, Spread
from results.report.content import Curve, Interval
from results.statistics.bootstrap import mean_std


def over_trainings(row: Row, read: Read) -> Spread:
    """Return the mean and the deviation of a number over the trainings of a row."""
    values = metrics.row_values(row.records, read)
    return mean_std(values) if values else (None, None)


def headline(row: Row) -> Headline:
    """Return the numbers that a row is quoted by."""
    clean, worst = over_trainings(row, metrics.clean_map), over_trainings(row, metrics.worst_map)
    budgets = {one.eps for record in row.records for one in metrics.counted(record)}
    known = worst[0] is not None
    return Headline(
        clean_map=clean,
        clean_rank1=over_trainings(row, metrics.clean_rank1),
        worst_map=worst,
        worst_rank1=over_trainings(row, metrics.worst_rank1),
        ci95=metrics.worst_interval(row.records) if known else None,
        kept=100 * worst[0] / clean[0] if worst[0] is not None and clean[0] else None,
        eps=budgets.pop() if len(budgets) == 1 else None,
    )


def attacks_of(board: Board, row: Row) -> tuple[AttackOfRow, ...]:
    """Return the attacks that a row met with every training, in the order of the board."""
    labels = {**board.attacks, **board.apart}
    met = [one for one in labels if len(board.frame.results(row, one)) == len(row.records)]
    covered = {AttackId.of(one) for record in row.records for one in metrics.counted(record)}
    strongest = _strongest(board, row, [one for one in met if one in covered])
    return tuple(
        _attack(board, row, one, labels[one], one in covered, one == strongest) for one in met
    )


def _strongest(board: Board, row: Row, attacks: Sequence[AttackId]) -> AttackId | None:
    """Return the attack that moves the ranking most, by what counts on the board."""
    metric = "target_map" if board.targeted else "map"
    found = {one: board.frame.mean_std(row, one, metric)[0] for one in attacks}
    known = {one: value for one, value in found.items() if value is not None}
    pick: Callable[..., AttackId] = max if board.pulls else min
    return pick(known, key=lambda one: known[one]) if known else None


def _attack(
    board: Board, row: Row, attack: AttackId, label: str, counted: bool, strongest: bool
) -> AttackOfRow:
    results = board.frame.results(row, attack)
    means = board.frame.means(row, attack)
    return AttackOfRow(
        label=label,
        eps=attack.eps,
        knowledge=results[0].knowledge,
        counted=counted,
        strongest=strongest,
        seen_in_training=any(one.seen_in_training for one in results),
        map=board.frame.mean_std(row, attack, "map"),
        ci95=_interval(results),
        rank1=board.frame.mean_std(row, attack, "rank1"),
        share_of_worst=means["share_of_worst"],
        success_rate=means["success_rate"],
        target_map=means["target_map"],
        seconds=means["seconds"],
        forwards=means["forwards"],
        backwards=means["backwards"],
        answers=means["answers"],
    )


def _interval(results: Sequence[AttackResult]) -> Interval:
    """Return the mean of the bounds over trainings."""
    lows, highs = zip(*(one.ci95_map for one in results), strict=True)
    return mean_std(lows)[0], mean_std(highs)[0]


def curves_of(panels: Iterable[CurvePanel], row: Row, fewest: int) -> tuple[Curve, ...]:
    """Return the curves of a row that have some points, the mean over its trainings."""
    return tuple(
        Curve(panel.title, tuple(zip(curve.x, curve.mean, strict=True)))
        for panel in panels
        for curve in panel.curves
        if curve.label == row.label and len(curve.x) >= fewest
    )


def other_data(row: Row) -> tuple[OtherData, ...]:
    """Return what a row gave on data sets that it was not trained on."""
    names = dict.fromkeys(one.dataset for record in row.records for one in record.cross_dataset)
    return tuple(
        OtherData(
            name,
            over_trainings(row, partial(metrics.cross_clean_map, dataset=name)),
            over_trainings(row, partial(metrics.cross_worst_map, dataset=name)),
        )
        for name in names
    )
