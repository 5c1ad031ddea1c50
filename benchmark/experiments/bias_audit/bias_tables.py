"""The tables of the bias audit."""

from __future__ import annotations

from typing import Any

from benchmark.experiments.bias_audit.bias_values import POPULATIONS, Audited
from benchmark.experiments.bias_audit.identity_statistics import mean, variance
from benchmark.experiments.findings import Table, text
from benchmark.experiments.measurement import CLEAN, WORST
from results.board.columns import TableCell

_OF = {"ap": "AP", "hit": "rank-1"}


def spread_table(audited: Audited, of: str) -> Table:
    """Return mean and variance over identities, a line for each population and row.

    Args:
        audited: Values by row and population.
        of: Of the mean AP (``ap``) or rank-1 (``hit``) of each identity.
    """
    rows = []
    present = next(iter(audited.values()))
    for name in [one for one in POPULATIONS if one in present]:
        for label, populations in audited.items():
            values = populations[name]
            cells = [
                values.over_identities(statistic, key, of).cell()
                for key in (CLEAN, WORST)
                for statistic in (mean, variance)
            ]
            count = TableCell(str(len(values.over_seeds(CLEAN))))
            rows.append((f"{name} · {label}", [count, *cells]))
    columns = ["IDs", "mean, clean", "variance, clean", "mean, worst", "variance, worst"]
    return Table(
        f"{_OF[of]} of identities",
        "Identities",
        columns,
        rows,
        note=f"Of the {_OF[of]} of each identity in percent, averaged over its queries. worst: "
        "each query meets its strongest attack. trained: identities that were fitted, on images "
        "that the encoder has seen. A variance is largest where the mean is in the middle.",
    )


def dependence_table(statistics: list[dict[str, Any]]) -> Table:
    """Return how AP goes with training images, a line for each row, clean and attacked."""
    names = ("spearman_images", "gap_images", "spearman_fullest_camera", "gap_fullest_camera")
    rows = []
    for row in statistics:
        for key, one in row["dependence"].items():
            cells = [text(one[name], 2 if "spearman" in name else 1, sign=True) for name in names]
            rows.append((f"{row['label']} · {key}", cells))
    return Table(
        "AP of trained identities against their training images",
        "Row",
        ["ρ, images", "gap, images", "ρ, fullest camera", "gap, fullest camera"],
        rows,
        note="ρ: Spearman's rank correlation over identities with the number of training images, "
        "and with the share that the fullest camera holds. gap: mean AP of the upper quarter of "
        "identities minus that of the lower one. All queries have as many matches in the gallery.",
    )


def difference_tables(differences: list[dict[str, Any]]) -> list[Table]:
    """Return what balancing changes, if there is a balanced row."""
    if not differences:
        return []

    def cell(row: dict[str, Any], what: str) -> TableCell:
        low, high = row[f"{what}_ci95"]
        return TableCell(f"{row[what]:+.1f} [{low:+.1f}, {high:+.1f}]")

    first = differences[0]
    rows = [
        (f"{row['population']} · {row['outcome']}", [cell(row, "variance"), cell(row, "mean")])
        for row in differences
    ]
    return [
        Table(
            f"{first['of']} minus {first['over']}",
            "Identities",
            ["Variance, 95% CI", "Mean AP, 95% CI"],
            rows,
            note="Of the AP of each identity, averaged over the common seeds: its variance has "
            "less of the trainings' noise than those above. The intervals are over identities, "
            "paired.",
        )
    ]
