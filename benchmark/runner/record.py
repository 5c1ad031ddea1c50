"""From the finished cells of a trial to its record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.checks.evidence import Finding
from benchmark.config.schema import RunConfig
from benchmark.core.fingerprint import fingerprint
from benchmark.core.provenance import environment
from benchmark.data.records import ImageSet
from benchmark.metrics.ranking import RankingResult
from benchmark.metrics.worst_case import worst_case, worst_counts
from benchmark.runner.cells import PROTOCOL_NAME, AttackCell, Cell
from benchmark.runner.compute import ranking_of
from benchmark.runner.evidence import attack_key, counts, findings_on
from benchmark.runner.plan import Plan, Trial
from benchmark.runner.shelf import Shelf
from benchmark.runner.store import CellStore
from results.schema import (
    AttackResult,
    CrossDatasetResult,
    Flag,
    Record,
    SweepPoint,
    WorstCase,
)
from results.statistics import cluster_bootstrap_ci
from results.store import PerQuery

HEADLINE_EPS_255 = 8.0
"""Budget of the worst case when several are swept; the largest one if it is not among them."""

TRAINING_KEYS = (
    "seconds",
    "epochs",
    "images",
    "peak_memory_bytes",
    "encoder_parameters",
    "report",
    "history",
)
"""What a record takes over from the outcome of a training."""


class RecordMaker:
    """Assembles records from finished cells.

    Args:
        config: The configuration.
        plan: The plan that was computed.
        store: Its finished cells.
        shelf: The data sets.
        device: What computed, such as ``cpu`` or a GPU's name.
    """

    def __init__(
        self, config: RunConfig, plan: Plan, store: CellStore, shelf: Shelf, device: str
    ) -> None:
        self._config, self._plan, self._store, self._shelf = config, plan, store, shelf
        self._environment = environment(device)

    def make(self, trial: Trial) -> tuple[Record, PerQuery]:
        """Return the record of a trial whose cells are all finished, and each query's outcome."""
        main, *others = trial.clean
        query = self._shelf.split(main, "query")
        clean, attacked = self._rankings(trial, main)
        worst = _worst(self._counted(trial, main), attacked)
        training = self._outcome(trial.train)
        plugin = trial.train.plugin
        record = Record.model_validate(
            {
                "id": self._record_id(trial),
                "defense": {
                    "name": trial.train.defense,
                    "config": plugin.config.model_dump(mode="json"),
                    "card": plugin.card.model_dump(mode="json"),
                    "source_sha256": plugin.source_sha256(),
                    "trained_against": list(trial.train.trained_against),
                },
                "dataset": main,
                "backbone": self._config.backbone.name,
                "image_size": self._config.image_size,
                "seed": trial.train.seed,
                "protocol": {"name": PROTOCOL_NAME, "fingerprint": self._plan.protocol},
                "clean": self._outcome(trial.clean[main]),
                "attacks": self._attack_results(trial, main, attacked),
                "worst_case": _worst_case(worst, query),
                **self._worst_by_training(trial, worst, query),
                "worst_by_eps": _worst_by_eps(self._counted(trial, main), attacked),
                "cross_dataset": [self._cross_dataset(trial, name) for name in others],
                "bias": _bias(clean, worst, query),
                "training": {key: training[key] for key in TRAINING_KEYS}
                | {"recipe": trial.train.training.model_dump(mode="json")},
                "flags": self._flags(trial),
                "environment": self._environment,
                "per_query": None,
            }
        )
        return record, _per_query(query, clean, attacked)

    def _record_id(self, trial: Trial) -> str:
        cells = [cell.fingerprint for cell in trial.cells]
        return fingerprint({"protocol": self._plan.protocol, "cells": cells})

    def _outcome(self, cell: Cell) -> dict[str, Any]:
        return self._store.get(cell.fingerprint).outcome

    def _ranking(self, cell: Cell) -> RankingResult:
        return ranking_of(self._store.get(cell.fingerprint).arrays("ap", "inp", "rank"))

    def _rankings(
        self, trial: Trial, dataset: str
    ) -> tuple[RankingResult, dict[str, RankingResult]]:
        attacked = {attack_key(cell): self._ranking(cell) for cell in trial.attacks[dataset]}
        return self._ranking(trial.clean[dataset]), attacked

    def _attack_results(
        self, trial: Trial, dataset: str, attacked: Mapping[str, RankingResult]
    ) -> list[AttackResult]:
        query = self._shelf.split(dataset, "query")
        seen, scenario = trial.train.trained_against, self._config.scenario
        findings = findings_on(trial, dataset, self._config, self._outcome)
        results = []
        for cell in trial.attacks[dataset]:
            outcome, threat = self._outcome(cell), cell.attack.threat
            results.append(
                AttackResult(
                    name=cell.attack.name,
                    eps=cell.eps_255,
                    norm=threat.norm,
                    side=scenario.side,
                    intent=scenario.intent,
                    fraction=scenario.fraction,
                    target_rule=None if scenario.intent == "dodge" else scenario.target,
                    knowledge=threat.knowledge,
                    params=cell.attack.config.model_dump(mode="json"),
                    dataset=dataset,
                    seen_in_training=cell.attack.name in seen,
                    ci95_map=cluster_bootstrap_ci(attacked[attack_key(cell)].ap, query.pids),
                    seconds=outcome["seconds"],
                    forwards=outcome["forwards"],
                    backwards=outcome["backwards"],
                    queries=outcome["black_box_queries"],
                    flags=[_flag(one) for one in findings if one.attack == attack_key(cell)],
                    map_float=outcome["map_float"],
                    map_jpeg=outcome["map_jpeg"],
                    curve=outcome["curve"],
                    target=outcome["target"],
                    prepare_seconds=self._prepare_seconds(cell),
                    max_distance_255=outcome["max_distance_255"],
                    **{key: outcome[key] for key in ("map", "rank1", "rank5", "rank10", "minp")},
                )
            )
        return results

    def _worst_by_training(
        self, trial: Trial, worst: Mapping[str, RankingResult], query: ImageSet
    ) -> dict[str, WorstCase | None]:
        """Return the worst case over seen and over unseen attacks, if there are both."""
        names = {attack_key(cell): cell.attack.name for cell in trial.attacks[trial.train.dataset]}
        known = set(trial.train.trained_against)
        seen = {key: one for key, one in worst.items() if names[key] in known}
        unseen = {key: one for key, one in worst.items() if names[key] not in known}
        if not seen or not unseen:
            return {}
        return {"worst_seen": _worst_case(seen, query), "worst_unseen": _worst_case(unseen, query)}

    def _prepare_seconds(self, cell: AttackCell) -> float | None:
        return self._outcome(cell.prepared)["seconds"] if cell.prepared is not None else None

    def _cross_dataset(self, trial: Trial, dataset: str) -> CrossDatasetResult:
        _, attacked = self._rankings(trial, dataset)
        worst = _worst(self._counted(trial, dataset), attacked)
        return CrossDatasetResult.model_validate(
            {
                "dataset": dataset,
                "clean": self._outcome(trial.clean[dataset]),
                "attacks": self._attack_results(trial, dataset, attacked),
                "worst_case": _worst_case(worst, self._shelf.split(dataset, "query")),
            }
        )

    def _counted(self, trial: Trial, dataset: str) -> tuple[AttackCell, ...]:
        cells = trial.attacks[dataset]
        return tuple(cell for cell in cells if counts(trial, cell, self._outcome))

    def _flags(self, trial: Trial) -> list[Flag]:
        """Return what is wrong with more than a single attack's result."""
        flags = []
        for dataset, cell in trial.clean.items():
            outcome = self._outcome(cell)
            if outcome["skipped"]:
                total = outcome["queries"] + outcome["skipped"]
                message = (
                    f"{outcome['skipped']} of {total} queries of {dataset} have no match in "
                    "another camera; they are left out of all averages"
                )
                flags.append(Flag(id="query-without-match", message=message))
            findings = findings_on(trial, dataset, self._config, self._outcome)
            flags += [_flag(one) for one in findings if one.attack is None]
        return flags


def _flag(finding: Finding) -> Flag:
    return Flag(id=finding.id, message=finding.message)


def _worst(
    cells: tuple[AttackCell, ...],
    attacked: Mapping[str, RankingResult],
    eps_255: float | None = None,
) -> dict[str, RankingResult]:
    """Return the rankings that the worst case is taken over; None: at the headline's budget.

    One budget and one norm; without the control, and without attacks whose budget is no additive
    one.
    """
    cells = tuple(
        cell for cell in cells if not cell.attack.is_control and cell.attack.threat.norm == "linf"
    )
    budgets = [cell.eps_255 for cell in cells]
    if not budgets:
        return {}
    if eps_255 is None:
        eps_255 = HEADLINE_EPS_255 if HEADLINE_EPS_255 in budgets else max(budgets)
    return {
        attack_key(cell): attacked[attack_key(cell)] for cell in cells if cell.eps_255 == eps_255
    }


def _worst_by_eps(
    cells: tuple[AttackCell, ...], attacked: Mapping[str, RankingResult]
) -> list[SweepPoint]:
    points = []
    for eps in sorted({cell.eps_255 for cell in cells}):
        rankings = _worst(cells, attacked, eps)
        if rankings:
            worst = worst_case(rankings).summary()
            points.append(SweepPoint(eps=eps, map=worst["map"], rank1=worst["rank1"]))
    return points


def _worst_case(rankings: Mapping[str, RankingResult], query: ImageSet) -> WorstCase | None:
    if not rankings:
        return None
    worst = worst_case(rankings)
    summary = worst.summary()
    return WorstCase(
        map=summary["map"],
        rank1=summary["rank1"],
        ci95_map=cluster_bootstrap_ci(worst.ap, query.pids),
        attacks=list(rankings),
        attack_share={
            key: count / summary["queries"] for key, count in worst_counts(rankings).items()
        },
    )


def _bias(
    clean: RankingResult, rankings: Mapping[str, RankingResult], query: ImageSet
) -> dict[str, float] | None:
    if not rankings:
        return None
    return {
        "per_id_variance_clean": per_identity_variance(clean.ap, query.pids),
        "per_id_variance_attacked": per_identity_variance(worst_case(rankings).ap, query.pids),
    }


def per_identity_variance(ap: NDArray[np.float64], pids: NDArray[np.int64]) -> float:
    """Return the variance over identities of their mean AP in percent (population variance).

    Args:
        ap: (Q,) average precision in [0, 1]; NaN where a query does not count.
        pids: (Q,) identities.
    """
    counted = ~np.isnan(ap)
    _, identity = np.unique(pids[counted], return_inverse=True)
    means = np.bincount(identity, weights=100 * ap[counted]) / np.bincount(identity)
    return float(means.var())


def _per_query(
    query: ImageSet, clean: RankingResult, attacked: Mapping[str, RankingResult]
) -> PerQuery:
    rankings = {"clean": clean, **attacked}
    return PerQuery(
        queries=np.array(query.names),
        pids=query.pids,
        camids=query.camids,
        ap={key: ranking.ap for key, ranking in rankings.items()},
        rank={key: ranking.rank for key, ranking in rankings.items()},
    )
