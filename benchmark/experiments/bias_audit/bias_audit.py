"""``bias-audit``: how unevenly identities fare, before and after the training split is balanced."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
from pydantic import Field

from benchmark.core.errors import UsageError
from benchmark.core.image_set import ImageSet
from benchmark.core.plugin import Card, PluginConfig
from benchmark.data.held_out import query_and_gallery
from benchmark.experiments.bias_audit.bias_figure import draw_bias
from benchmark.experiments.bias_audit.bias_tables import (
    dependence_table,
    difference_tables,
    spread_table,
)
from benchmark.experiments.bias_audit.bias_values import POPULATIONS, Audited, IdentityValues
from benchmark.experiments.bias_audit.equal_matches import equal_query_and_gallery
from benchmark.experiments.bias_audit.identity_statistics import (
    difference_interval,
    fullest_shares,
    gap,
    image_counts,
    mean,
    rank_correlation,
    variance,
)
from benchmark.experiments.context import ExperimentContext
from benchmark.experiments.experiment import Experiment
from benchmark.experiments.findings import Findings, figure_png
from benchmark.experiments.measurement import CLEAN, WORST
from benchmark.experiments.scoring import scored, scoring_attacks
from benchmark.experiments.variant import Variant


class BiasAudit(Experiment):
    """Per-identity variance, clean and attacked, and how it goes with the number of images."""

    card = Card(
        title="Bias audit: how unevenly identities fare",
        paper="Zhou et al., AAAI 2026, arXiv 2511.09933, figure and table 1",
        claims="Adversarial training raises the variance over identities, from 18.78 to 23.40; "
        "balancing is to lower it.",
        notes="Data set, unit and definition of the paper's variance were not recovered. Here: the "
        "population variance over identities of their mean AP (rank-1) in percent, attacked: the "
        "worst attack for each query. Fitted identities are asked for among each other, with "
        "images that the encoder has trained on and the same number of matches for each.",
    )
    defaults = {
        "defense": ["none", "metric-at"],
        "attack": ["fna", "sma", "metric-ifgsm"],
        "eps": [8.0],
        "test_dataset": ["none"],
    }

    class Config(PluginConfig):
        """Options of the experiment."""

        balanced: str | None = "ddid"
        """Defense that is `over` with balancing, once `switches` are set; unset: no such row."""
        over: str = "metric-at"
        """Defense that the balanced row is compared with, if it is among ``--defense``."""
        switches: dict[str, bool] = {
            "balancing": True,
            "fnes": False,
            "discriminator": False,
            "self_meta": False,
        }
        """Options of that defense."""
        matches: int = Field(default=2, ge=1)
        """Matches of every query among the fitted identities, which have as many as they have
        images otherwise; identities with fewer images under other cameras are left out."""

    config: Config

    def run(self, context: ExperimentContext) -> Findings:
        """Measure three populations of identities for every row."""
        scoring_attacks(context)
        audited: Audited = defaultdict(lambda: defaultdict(IdentityValues))
        fitted, held_out = context.fitted_and_held_out()
        matches = self.config.matches
        sets = {
            "trained": equal_query_and_gallery(fitted, matches),
            "held-out": query_and_gallery(held_out),
        }
        sets = {name: pair for name, pair in sets.items() if len(pair[0])}
        share = {"held_out": context.config.training.held_out}
        inputs = {"trained": {**share, "matches": matches}, "held-out": share}
        for measured in context.measure(self._variants(context)):
            label, trained = measured.variant.label, measured.trained
            with context.tolerating(f"{label} · seed {trained.seed}"):
                found = {"test": dict(measured.outcomes[context.config.dataset])}
                pids = {"test": measured.query_pids[context.config.dataset]}
                for name, (query, gallery) in sets.items():
                    found[name] = scored(context, trained, name, query, gallery, inputs[name])
                    pids[name] = query.pids
                for name in found:
                    audited[label][name].add(trained.seed, found[name], pids[name])
        if not audited:
            raise UsageError("no defense could be measured", "see the messages above")
        statistics = _statistics(audited, fitted)
        differences = _differences(audited, *self._pair(context, audited))
        drawn = draw_bias(_drawn(audited), image_counts(fitted), fullest_shares(fitted))
        tables = [
            spread_table(audited, "ap"),
            spread_table(audited, "hit"),
            dependence_table(statistics),
            *difference_tables(differences),
        ]
        result: dict[str, Any] = {
            "rows": statistics,
            "differences": differences,
            "paper": {"variance_clean_training": 18.78, "variance_adversarial_training": 23.40},
        }
        return Findings(tables, result, {"bias": figure_png(drawn)})

    def _variants(self, context: ExperimentContext) -> list[Variant]:
        variants = context.variants
        if self.config.balanced is not None:
            settings = {f"defense.{name}": value for name, value in self.config.switches.items()}
            label = f"{self.config.over} + balancing"
            variants.append(Variant(label, self.config.balanced, settings))
        return variants

    def _pair(self, context: ExperimentContext, audited: Audited) -> tuple[str | None, str]:
        """Return the labels of the balanced row, if there is one, and of what it is compared to."""
        base = self.config.over
        balanced = self._variants(context)[-1].label if self.config.balanced is not None else None
        return (balanced if balanced in audited and base in audited else None), base


def _statistics(audited: Audited, fitted: ImageSet) -> list[dict[str, Any]]:
    """Return means and variances of each row and population, and what images have to do with it."""
    counts, shares = image_counts(fitted), fullest_shares(fitted)
    rows = []
    for label, populations in audited.items():
        row: dict[str, Any] = {"label": label, "populations": {}}
        for name, values in populations.items():
            row["populations"][name] = {
                "identities": len(values.over_seeds(CLEAN)),
                **{
                    f"{of}_{what}_{key}": values.over_identities(statistic, key, of).as_json()
                    for of in ("ap", "hit")
                    for what, statistic in (("mean", mean), ("variance", variance))
                    for key in (CLEAN, WORST)
                },
            }
        row["dependence"] = {
            key: _depends(populations["trained"].over_seeds(key), counts, shares)
            for key in (CLEAN, WORST)
        }
        rows.append(row)
    return rows


def _depends(
    ap: dict[int, float], counts: dict[int, int], shares: dict[int, float]
) -> dict[str, float | None]:
    """Return how the AP of identities goes with their number of images, and with its spread."""
    values = np.array(list(ap.values()))
    images = np.array([counts[pid] for pid in ap], np.float64)
    fullest = np.array([shares[pid] for pid in ap])
    return {
        "spearman_images": rank_correlation(values, images),
        "spearman_fullest_camera": rank_correlation(values, fullest),
        "gap_images": gap(values, images),
        "gap_fullest_camera": gap(values, fullest),
    }


def _differences(audited: Audited, balanced: str | None, base: str) -> list[dict[str, Any]]:
    """Return what balancing changes in variance and mean over identities, by population."""
    if balanced is None:
        return []
    rows = []
    for name in [one for one in POPULATIONS if one in audited[base]]:
        for key in (CLEAN, WORST):
            both = [audited[label][name] for label in (balanced, base)]
            common = both[0].ap[key].keys() & both[1].ap[key].keys()
            if not common:
                continue
            ours, theirs = (one.over_seeds(key, common) for one in both)
            first, second = (np.array([one[pid] for pid in ours]) for one in (ours, theirs))
            row: dict[str, Any] = {"population": name, "outcome": key, "of": balanced, "over": base}
            for what, statistic in (("variance", variance), ("mean", mean)):
                value, interval = difference_interval(first, second, statistic)
                row[what], row[f"{what}_ci95"] = value, list(interval)
            rows.append(row)
    return rows


def _drawn(audited: Audited) -> dict[str, dict[str, dict[str, dict[int, float]]]]:
    """Return AP by row, population, outcome and identity."""
    return {
        label: {
            name: {key: values.over_seeds(key) for key in (CLEAN, WORST)}
            for name, values in populations.items()
        }
        for label, populations in audited.items()
    }
