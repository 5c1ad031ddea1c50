"""``cross-dataset``: how much of robustness crosses to a data set that was not trained on."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from benchmark.core.errors import UsageError
from benchmark.core.plugin import Card, PluginConfig
from benchmark.experiments.context import ExperimentContext
from benchmark.experiments.experiment import Experiment
from benchmark.experiments.findings import Findings, Table
from benchmark.experiments.main_table.main_table import (
    PAPER_ATTACKS,
    PAPER_PAIR,
    PAPER_SETTINGS,
    compared,
    measured_tables,
    ratio_table,
    rows_json,
)
from benchmark.experiments.measurement import Measurement

PAPER_RATIOS = {"clean": 1.16, "fna@8": 1.38, "sma@8": 1.21, "metric-ifgsm@8": 1.37}
"""mAP of DDID over that of metric AT, Market-1501 to DukeMTMC, ResNet-50 (table 5, second-hand):
19.07/16.51, 6.17/4.47, 13.02/10.77, 7.92/5.78. The other direction was not recovered."""


class CrossDataset(Experiment):
    """Table 5 of the DDID paper: train on one data set, attack on the other, both ways."""

    card = Card(
        title="Across data sets: train on one, attack on the other",
        paper="Zhou et al., AAAI 2026, arXiv 2511.09933, table 5",
        claims="Under FNA, DDID keeps 1.38 times the mAP of metric AT from Market to Duke.",
        notes="Every data set of the run is trained on in turn and tested on all others. The "
        "paper's direction is Market-1501 to DukeMTMC; the reverse was not recovered.",
    )
    defaults = {
        "defense": ["none", "metric-at", "ddid"],
        "attack": list(PAPER_ATTACKS),
        "eps": [8.0],
    }
    settings = PAPER_SETTINGS

    class Config(PluginConfig):
        """Options of the experiment."""

        ours: str = "ddid"
        """Defense in the numerator of the ratio."""
        baseline: str = "metric-at"
        """Defense in its denominator."""

    config: Config

    def run(self, context: ExperimentContext) -> Findings:
        """Measure every direction and compare two defenses in each."""
        datasets = [context.config.dataset, *context.config.test_datasets]
        if len(datasets) < 2:
            raise UsageError("there is no other data set", "name one with --test-dataset")
        tables: list[Table] = []
        directions: list[dict[str, Any]] = []
        for source in datasets:
            rows: dict[str, list[Measurement]] = defaultdict(list)
            for measured in context.measure(context.variants, dataset=source):
                rows[measured.variant.label].append(measured)
            for target in datasets:
                if target != source and rows:
                    paper = PAPER_RATIOS if source == context.config.dataset else {}
                    found, shown = self._direction(rows, source, target, paper)
                    directions.append(found)
                    tables += shown
        if not directions:
            raise UsageError("no defense could be measured", "see the messages above")
        return Findings(tables, {"directions": directions})

    def _direction(
        self,
        rows: dict[str, list[Measurement]],
        source: str,
        target: str,
        paper: dict[str, float],
    ) -> tuple[dict[str, Any], list[Table]]:
        title = f"{source} → {target}"
        found: dict[str, Any] = {"from": source, "to": target, "rows": rows_json(rows, target)}
        tables = measured_tables(rows, target, title)
        ours, baseline = self.config.ours, self.config.baseline
        if ours in rows and baseline in rows:
            comparison = compared(rows[ours], rows[baseline], target)
            found["ratio"] = {"of": ours, "over": baseline, "attacks": comparison}
            paper = paper if (ours, baseline) == PAPER_PAIR else {}
            tables.append(ratio_table(comparison, ours, baseline, paper, title))
        return found, tables
