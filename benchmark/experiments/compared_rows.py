"""Measured rows of a table: mAP and rank-1 under each attack, and one row against another."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from benchmark.core.plugin import PluginConfig
from benchmark.experiments.context import ExperimentContext
from benchmark.experiments.ddid_paper import PAPER_PAIR
from benchmark.experiments.findings import MISSING, Table, text
from benchmark.experiments.measurement import Measurement
from benchmark.experiments.summary import OverSeeds, PairedGain, paired_gain
from benchmark.experiments.variant import Variant
from results.board.columns import TableCell

Row = list[Measurement]
"""Measurements of one row of a table, one a seed."""

METRICS = {"map": "mAP", "rank1": "Rank-1"}

PAIRED_NOTE = (
    "The interval is over query identities, paired, of the mean over seeds; the spread between "
    "trainings is not in it"
)


class PairConfig(PluginConfig):
    """Options of experiments that compare two defenses."""

    ours: str = "ddid"
    """Defense in the numerator of the ratio."""
    baseline: str = "metric-at"
    """Defense in its denominator."""


@dataclass(frozen=True)
class ComparedRow:
    """One row against another under one attack, at the training seeds that both have.

    Attributes:
        ratio: Of their mAP.
        gain: In mAP, paired. Both are None without a common seed.
    """

    ratio: float | None
    gain: PairedGain | None


def measured_rows(
    context: ExperimentContext, variants: Iterable[Variant], dataset: str | None = None
) -> dict[str, Row]:
    """Measure variants at every seed; those that their plugin fails are left out."""
    rows: dict[str, Row] = defaultdict(list)
    for measured in context.measure(variants, dataset=dataset):
        rows[measured.variant.label].append(measured)
    return dict(rows)


def keys_of(rows: Mapping[str, Row], dataset: str) -> list[str]:
    """Return ``clean`` and the keys of the attacks, in the order of the run."""
    return list(next(iter(rows.values()))[0].outcomes[dataset])


def figure(row: Row, dataset: str, key: str, name: str) -> OverSeeds:
    """Return ``map`` or ``rank1`` of a data set, clean or under an attack, over seeds."""
    return OverSeeds({one.trained.seed: getattr(one.outcomes[dataset][key], name) for one in row})


def map_cells(
    rows: Mapping[str, Row], dataset: str, keys: Iterable[str]
) -> list[tuple[str, list[TableCell]]]:
    """Return label and mAP of each row, clean and under each attack."""
    return [
        (label, [figure(row, dataset, key, "map").cell() for key in keys])
        for label, row in rows.items()
    ]


def measured_tables(
    rows: Mapping[str, Row], dataset: str | None = None, where: str | None = None
) -> list[Table]:
    """Return mAP and rank-1, clean and under each attack, a column for each row of the experiment.

    Args:
        rows: What was measured.
        dataset: Data set that was tested on; None: the one that was trained on.
        where: What titles say of it; None: its name.
    """
    dataset = dataset or next(iter(rows.values()))[0].record.dataset
    tables = []
    for name, title in METRICS.items():
        body = [
            (key, [figure(row, dataset, key, name).cell() for row in rows.values()])
            for key in keys_of(rows, dataset)
        ]
        tables.append(
            Table(f"{title} on {where or dataset} in percent", "Attack", list(rows), body)
        )
    return [*tables[:-1], replace(tables[-1], note=notes(rows))]


def rows_json(rows: Mapping[str, Row], only: str | None = None) -> list[dict[str, Any]]:
    """Return everything that the tables show of each row, on all data sets or one."""
    return [
        {
            "label": label,
            "defense": row[0].variant.defense,
            "settings": dict(row[0].variant.settings),
            "records": [one.record.id for one in row],
            "flags": sorted(_flag_ids(row)),
            "figures": {
                dataset: {
                    key: {name: figure(row, dataset, key, name).as_json() for name in METRICS}
                    for key in row[0].outcomes[dataset]
                }
                for dataset in ([only] if only else row[0].outcomes)
            },
        }
        for label, row in rows.items()
    ]


def compared(ours: Row, baseline: Row, dataset: str) -> dict[str, ComparedRow]:
    """Return ratio of mAP and paired gain of one row over another, clean and by attack."""
    common = {one.trained.seed for one in ours} & {one.trained.seed for one in baseline}
    both = [[one for one in row if one.trained.seed in common] for row in (ours, baseline)]
    found = {}
    for key in ours[0].outcomes[dataset]:
        above, below = (figure(row, dataset, key, "map").mean if row else None for row in both)
        first, second = (
            {one.trained.seed: one.outcomes[dataset][key].ap for one in row} for row in both
        )
        gain = paired_gain(first, second, ours[0].query_pids[dataset])
        ratio = above / below if above is not None and below else None
        found[key] = ComparedRow(ratio, gain)
    return found


def ratio_of(
    rows: Mapping[str, Row],
    pair: PairConfig,
    dataset: str,
    paper: Mapping[str, float],
    where: str = "",
) -> tuple[dict[str, Any], list[Table]]:
    """Return values and table of the ratio between two rows; nothing if one of them is missing.

    Args:
        rows: What was measured.
        pair: Which two.
        dataset: Data set that was tested on.
        paper: The paper's ratios, shown beside those of the same two defenses.
        where: What the title says of the data set.
    """
    ours, baseline = pair.ours, pair.baseline
    if ours not in rows or baseline not in rows:
        return {}, []
    comparison = compared(rows[ours], rows[baseline], dataset)
    attacks = {
        key: {"ratio": one.ratio, "gain": one.gain.as_json() if one.gain else None}
        for key, one in comparison.items()
    }
    paper = paper if (ours, baseline) == PAPER_PAIR else {}
    body = [
        (
            key,
            [
                text(one.ratio, 2),
                text(paper.get(key), 2),
                one.gain.cell() if one.gain else TableCell(MISSING),
            ],
        )
        for key, one in comparison.items()
    ]
    table = Table(
        f"mAP of {ours} over that of {baseline}" + (f", {where}" if where else ""),
        "Attack",
        ["Ratio", "Paper", "Gain in mAP, 95% CI"],
        body,
        note=f"{PAIRED_NOTE}. The paper's figures are second-hand.",
    )
    return {"ratio": {"of": ours, "over": baseline, "attacks": attacks}}, [table]


def notes(rows: Mapping[str, Row]) -> str:
    """Return what a table of these rows needs below it: seeds, terms, sanity flags."""
    seeds = sorted({one.trained.seed for row in rows.values() for one in row})
    lines = [f"{label}: {', '.join(sorted(_flag_ids(row)))}" for label, row in rows.items()]
    flagged = [line for line in lines if not line.endswith(": ")]
    checked = next(iter(rows.values()))[0].trained.config.evaluation.checks
    none = "No sanity flag was raised" if checked else "Canary and probe were off"
    parts = [
        f"Training seeds {', '.join(map(str, seeds))}; ± is the standard deviation over them.",
        "worst: each query meets its strongest attack of the headline budget.",
        f"Sanity flags: {'; '.join(flagged)}." if flagged else f"{none}.",
    ]
    return " ".join(parts)


def _flag_ids(row: Row) -> set[str]:
    found = {flag.id for one in row for flag in one.record.flags}
    attacks = [attack for one in row for attack in one.record.attacks]
    return found | {f"{flag.id} ({attack.key})" for attack in attacks for flag in attack.flags}
