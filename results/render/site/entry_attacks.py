"""What a row measured under attacks, as the page of the row says it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial

from results.board import record_metrics as metrics
from results.board.boards import Board, Row
from results.board.columns import over_seeds
from results.board.curves import CurvePanel
from results.board.frame import SHARE
from results.records.retrieval import AttackId, AttackResult
from results.render.site.attack_outcomes import all_attacks, counted_attacks, shown_metric
from results.render.site.entry_content import AttackOfRow, Headline, OtherData
from results.report.content import Curve, Interval
from results.statistics.bootstrap import mean_std


def headline(row: Row) -> Headline:
    """Return the numbers that a row is quoted by."""
    clean, worst = over_seeds(row, metrics.clean_map), over_seeds(row, metrics.worst_map)
    budgets = {one.eps for record in row.records for one in metrics.counted(record)}
    known = worst[0] is not None
    return Headline(
        clean_map=clean,
        clean_rank1=over_seeds(row, metrics.clean_rank1),
        worst_map=worst,
        worst_rank1=over_seeds(row, metrics.worst_rank1),
        ci95=metrics.worst_interval(row.records) if known else None,
        kept=100 * worst[0] / clean[0] if worst[0] is not None and clean[0] else None,
        eps=budgets.pop() if len(budgets) == 1 else None,
    )


def attacks_of(board: Board, row: Row) -> tuple[AttackOfRow, ...]:
    """Return the attacks that a row met with every training, in the order of the board."""
    met = {
        attack: label
        for attack, label in all_attacks(board).items()
        if len(board.frame.results(row, attack)) == len(row.records)
    }
    strongest = _strongest(board, row, met)
    return tuple(
        _attack(board, row, attack, label, attack in strongest) for attack, label in met.items()
    )


def _strongest(board: Board, row: Row, attacks: Iterable[AttackId]) -> set[AttackId]:
    """Return the attacks that move the ranking most, of those that the worst case covers."""
    covered, metric = counted_attacks(board), shown_metric(board)
    found = {one: board.frame.mean_std(row, one, metric)[0] for one in attacks if one in covered}
    known = [value for value in found.values() if value is not None]
    most = (max if board.pulls else min)(known, default=None)
    return {one for one, value in found.items() if value is not None and value == most}


def _attack(board: Board, row: Row, attack: AttackId, label: str, strongest: bool) -> AttackOfRow:
    results = board.frame.results(row, attack)
    means = board.frame.means(row, attack)
    return AttackOfRow(
        label=label,
        eps=attack.eps,
        knowledge=results[0].knowledge,
        counted=attack in counted_attacks(board),
        strongest=strongest,
        seen_in_training=any(one.seen_in_training for one in results),
        map=board.frame.mean_std(row, attack, "map"),
        ci95=_interval(results),
        rank1=board.frame.mean_std(row, attack, "rank1"),
        share_of_worst=means[SHARE],
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
            over_seeds(row, partial(metrics.cross_clean_map, dataset=name)),
            over_seeds(row, partial(metrics.cross_worst_map, dataset=name)),
        )
        for name in names
    )
