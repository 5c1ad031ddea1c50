"""``cross-dataset``: how much of robustness crosses to a data set that was not trained on."""

from __future__ import annotations

from typing import Any

from benchmark.core.errors import UsageError
from benchmark.core.plugin import Card
from benchmark.experiments.compared_rows import (
    PairConfig,
    measured_rows,
    measured_tables,
    ratio_of,
    rows_json,
)
from benchmark.experiments.context import ExperimentContext
from benchmark.experiments.ddid_paper import PAPER_ATTACKS, PAPER_SETTINGS, paper_ratios
from benchmark.experiments.experiment import Experiment
from benchmark.experiments.findings import Findings, Table

PAPER_RATIOS = paper_ratios("table 5")
"""mAP of DDID over that of metric AT, Market-1501 to DukeMTMC, ResNet-50 (second-hand). The other
direction was not recovered."""


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

    class Config(PairConfig):
        """Options of the experiment."""

    config: Config

    def run(self, context: ExperimentContext) -> Findings:
        """Measure every direction and compare two defenses in each."""
        datasets = [context.config.dataset, *context.config.test_datasets]
        if len(datasets) < 2:
            raise UsageError("there is no other data set", "name one with --test-dataset")
        tables: list[Table] = []
        directions: list[dict[str, Any]] = []
        for source in datasets:
            rows = measured_rows(context, context.variants, source)
            paper = PAPER_RATIOS if source == context.config.dataset else {}
            for target in datasets:
                if target == source or not rows:
                    continue
                title = f"{source} → {target}"
                ratio, compared = ratio_of(rows, self.config, target, paper, title)
                values = {"from": source, "to": target, "rows": rows_json(rows, target)}
                directions.append({**values, **ratio})
                tables += [*measured_tables(rows, target, title), *compared]
        if not directions:
            raise UsageError("no defense could be measured", "see the messages above")
        return Findings(tables, {"directions": directions})
