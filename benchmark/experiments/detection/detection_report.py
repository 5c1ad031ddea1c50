"""What the detection experiment tells: figures of a detector, tables, ROC curves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from benchmark.experiments.detection.detection_scene import (
    ScoredQueries,
    behind_the_detector,
    mean_ap,
)
from benchmark.experiments.findings import Table, text
from benchmark.metrics.roc import auc_interval, roc_auc, threshold_at
from results.board.columns import TableCell

Kind = Literal["seen", "unseen", "control", "adaptive"]

FALSE_POSITIVES = 0.05
"""Share of clean test queries that the operating point flags."""


@dataclass(frozen=True)
class DetectorResult:
    """A detector's scores of the test queries, clean and under each attack.

    Attributes:
        pids: (Q,) identities.
        clean: The clean queries.
        attacked: The queries under each attack.
        kinds: What each attack is to the detector.
        k: Size of the support sets.
        fitted: Numbers of benign and of attacked images that it was fitted on.
    """

    pids: NDArray[np.int64]
    clean: ScoredQueries
    attacked: Mapping[str, ScoredQueries]
    kinds: Mapping[str, Kind]
    k: int
    fitted: tuple[int, int]

    @property
    def counted(self) -> NDArray[np.bool_]:
        """Mask of the queries that have a match; others are left out of all figures."""
        return self.clean.ranking.valid

    @property
    def threshold(self) -> float:
        """Score above which a query is flagged."""
        return threshold_at(self.clean.scores[self.counted], FALSE_POSITIVES)

    def scores(self, scored: ScoredQueries) -> NDArray[np.float64]:
        """Return the scores that count."""
        return scored.scores[self.counted]


def attack_figures(result: DetectorResult, name: str, damage_share: float) -> dict[str, Any]:
    """Return the figures of one attack; percentages but for the areas."""
    scored, pids = result.attacked[name], result.pids[result.counted]
    benign, attacked = result.scores(result.clean), result.scores(scored)
    passes = scored.scores <= result.threshold
    damage = _damage(result, name)
    reference = max(
        (_damage(result, n) for n, k in result.kinds.items() if k in ("seen", "unseen")),
        default=0.0,
    )
    low, high = auc_interval(benign, attacked, pids, pids)
    return {
        "kind": result.kinds[name],
        "auc": roc_auc(benign, attacked),
        "auc_ci95": [low, high],
        "tpr": 100 * float((~passes[result.counted]).mean()),
        "map": mean_ap(scored.ranking),
        "passing": 100 * float(passes[result.counted].mean()),
        "map_of_passing": mean_ap(scored.ranking, passes),
        "damage": damage,
        "keeps_damage": reference > 0 and damage >= damage_share * reference,
    }


def _damage(result: DetectorResult, name: str) -> float:
    counted = result.counted
    lost = result.clean.ranking.ap[counted] - result.attacked[name].ranking.ap[counted]
    return 100 * float(lost.mean())


def result_of(result: DetectorResult, damage_share: float) -> dict[str, Any]:
    """Return everything about a detector as plain values."""
    attacks = {name: attack_figures(result, name, damage_share) for name in result.attacked}
    return {
        "k": result.k,
        "fitted_benign": result.fitted[0],
        "fitted_attacked": result.fitted[1],
        "threshold": result.threshold,
        "clean_map": mean_ap(result.clean.ranking),
        "clean_flagged": 100 * float((result.scores(result.clean) > result.threshold).mean()),
        "attacks": attacks,
        "auc_seen": _lowest(attacks, "seen"),
        "auc_unseen": _lowest(attacks, "unseen"),
        "auc_adaptive": _lowest(attacks, "adaptive"),
        "undetected": map_without(result),
        "watched": behind_the_detector(result.clean, result.attacked, result.threshold),
    }


def map_without(result: DetectorResult) -> float:
    """Return the mAP in percent of the worst attack on each query if nothing is flagged."""
    return behind_the_detector(result.clean, result.attacked, np.inf)["map"]


def _lowest(attacks: Mapping[str, Mapping[str, Any]], kind: Kind) -> float | None:
    """Return the lowest area over attacks of a kind; adaptive ones must keep their damage."""
    areas = [
        one["auc"]
        for one in attacks.values()
        if one["kind"] == kind and (kind != "adaptive" or one["keeps_damage"])
    ]
    return min(areas, default=None)


def detectors_table(results: Mapping[str, DetectorResult], damage_share: float) -> Table:
    """Return a row for each detector: the lowest area over each kind of attack."""
    rows = []
    for label, result in results.items():
        found = result_of(result, damage_share)
        figures = [found[key] for key in ("auc_seen", "auc_unseen", "auc_adaptive")]
        maps = [found["clean_map"], found["undetected"], found["watched"]["map"]]
        rows.append((label, [*(text(x, 3) for x in figures), *(text(x) for x in maps)]))
    return Table(
        "Detectors",
        "Target",
        ["AUC seen", "AUC unseen", "AUC adaptive", "mAP clean", "mAP worst", "mAP watched"],
        rows,
        "AUC: the lowest over the attacks of a kind; adaptive: over those that keep "
        f"{100 * damage_share:g} % of the damage of the worst attack that does not know the "
        "detector (–: none does). mAP worst: for each query the lowest AP over all attacks. mAP "
        "watched: the same over attacks that pass the detector, which flags 5 % of the clean "
        "queries; the clean query where none does.",
    )


def table_of(label: str, result: DetectorResult, damage_share: float) -> Table:
    """Return a row for each attack on one detector."""
    rows = []
    for name in result.attacked:
        one = attack_figures(result, name, damage_share)
        low, high = one["auc_ci95"]
        kind = one["kind"] + ("" if one["kind"] != "adaptive" or one["keeps_damage"] else " (weak)")
        rest = (text(one[key]) for key in ("tpr", "map", "map_of_passing"))
        interval = TableCell(f"{low:.3f}–{high:.3f}")
        rows.append((name, [TableCell(kind), text(one["auc"], 3), interval, *rest]))
    return Table(
        f"Detector of {label}",
        "Attack",
        ["Kind", "AUC", "95% CI", "TPR at 5% FPR", "mAP", "mAP of passing"],
        rows,
        f"K = {result.k}; fitted on {result.fitted[0]} benign and {result.fitted[1]} attacked "
        "images of held-out training identities. Adaptive attacks: damage, and the weight of the "
        f"detector's loss; weak: keeps less than {100 * damage_share:g} % of the damage.",
    )
