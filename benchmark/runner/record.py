"""From the finished cells of a trial to its record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from benchmark.checks.evidence import Finding
from benchmark.config.schema import RunConfig
from benchmark.core.image_set import ImageSet
from benchmark.core.plugin import options_of
from benchmark.evaluation.success import success_rate
from benchmark.metrics.ranking import RankingResult, trivial_queries
from benchmark.runner.attack_seeds import (
    SeededAttack,
    mean_outcome,
    seeded_attacks,
    smallest_batch,
)
from benchmark.runner.cells.attack import AttackCell
from benchmark.runner.cells.cell import Cell
from benchmark.runner.cells.train import TRAINING_FIGURES
from benchmark.runner.datasets import RunDatasets
from benchmark.runner.evidence import counts, findings_on
from benchmark.runner.plan import Plan, Trial
from benchmark.runner.protocol import PROTOCOL_NAME
from benchmark.runner.record_worst_case import (
    RankingsBySeed,
    among,
    bias_of,
    rankings_of,
    seed_results,
    worst_by_eps,
    worst_result,
)
from benchmark.runner.store import CellStore
from results.records.retrieval import (
    AttackResult,
    Crafting,
    CrossDatasetResult,
    RaisedFlag,
    WorstCase,
)
from results.records.schema import Record
from results.records.store import PerQuery
from results.statistics.bootstrap import cluster_bootstrap_ci


class RecordMaker:
    """Assembles records from finished cells.

    Args:
        config: The configuration.
        plan: The plan that was computed.
        store: Its finished cells.
        datasets: The data sets.
    """

    def __init__(
        self, config: RunConfig, plan: Plan, store: CellStore, datasets: RunDatasets
    ) -> None:
        self._config, self._plan, self._store, self._datasets = config, plan, store, datasets

    def make(self, trial: Trial) -> tuple[Record, dict[str, PerQuery]]:
        """Return the record of a trial whose cells are all finished.

        Returns:
            The record, and the outcome of each query by the data set that it was tested on.
        """
        main, *others = trial.clean
        query = self._datasets.split(main, "query")
        clean, attacked = self._rankings(trial, main)
        worst = rankings_of(self._counted(trial, main), attacked)
        training = self._outcome(trial.train)
        plugin = trial.train.plugin
        behaviour = plugin.behaviour()
        record = Record.model_validate(
            {
                "id": self._plan.record_id(trial),
                "defense": {
                    "name": trial.train.defense,
                    "config": options_of(plugin.config),
                    "card": plugin.card.model_dump(mode="json"),
                    "behaviour": behaviour.id,
                    "source_sha256": behaviour.source_sha256,
                    "trained_against": list(trial.train.trained_against),
                },
                "dataset": main,
                "backbone": plugin.backbone_name(self._config.backbone.name),
                "image_size": self._config.image_size,
                "seed": trial.train.seed,
                "label": self._config.label_of(trial.train.defense) or plugin.row_label(),
                "protocol": self._protocol(main),
                "clean": self._outcome(trial.clean[main]),
                "attacks": self._attack_results(trial, main, attacked),
                "worst_case": worst_result(worst, query),
                **self._worst_by_training(trial, worst, query),
                "worst_by_eps": worst_by_eps(self._counted(trial, main), attacked),
                "cross_dataset": [self._cross_dataset(trial, name) for name in others],
                "bias": bias_of(clean, worst, query.pids),
                "training": {key: training[key] for key in TRAINING_FIGURES if key in training}
                | ({"recipe": options_of(trial.train.training)} if plugin.trains else {}),
                "flags": self._flags(trial),
                **self._environments(trial),
                "per_query": None,
            }
        )
        return record, {name: self._per_query(trial, name) for name in trial.clean}

    def _protocol(self, dataset: str) -> dict[str, object]:
        chosen = self._datasets.count(dataset, "query")
        there_are = len(self._datasets.dataset(dataset).names("query"))
        few = {"queries": {"chosen": chosen, "of": there_are}} if chosen < there_are else {}
        rerank = self._config.evaluation.rerank
        reranked = {} if rerank is None else {"rerank": rerank.model_dump(mode="json")}
        return {"name": PROTOCOL_NAME, "fingerprint": self._plan.protocol, **few, **reranked}

    def _environments(self, trial: Trial) -> dict[str, object]:
        """Return where the training was computed and, if other cells were elsewhere, all places."""
        places: list[tuple[dict[str, Any], list[str]]] = []
        for cell in (trial.train, *trial.cells):
            here = self._store.get(cell.fingerprint).environment
            kinds = next((kinds for place, kinds in places if place == here), None)
            if kinds is None:
                places.append((here, kinds := []))
            if cell.kind not in kinds:
                kinds.append(cell.kind)
        several = [{**place, "cells": kinds} for place, kinds in places] if len(places) > 1 else []
        return {"environment": places[0][0], "environments": several}

    def _outcome(self, cell: Cell) -> dict[str, Any]:
        return self._store.get(cell.fingerprint).outcome

    def _ranking(self, cell: Cell) -> RankingResult:
        return self._store.get(cell.fingerprint).ranking()

    def _rankings(
        self, trial: Trial, dataset: str
    ) -> tuple[RankingResult, dict[str, RankingResult]]:
        attacks = seeded_attacks(trial.attacks[dataset])
        attacked = {k: self._ranking(cell) for one in attacks for k, cell in one.by_key.items()}
        return self._ranking(trial.clean[dataset]), attacked

    def _attack_results(
        self, trial: Trial, dataset: str, attacked: Mapping[str, RankingResult]
    ) -> list[AttackResult]:
        query = self._datasets.split(dataset, "query")
        seen, scenario = trial.train.trained_against, self._config.scenario
        findings = self._findings(trial, dataset)
        clean = self._ranking(trial.clean[dataset])
        results = []
        for seeded in seeded_attacks(trial.attacks[dataset]):
            cell, threat = seeded.example, seeded.example.attack.threat
            outcomes = {one.attack_seed: self._outcome(one) for one in seeded.cells}
            outcome = mean_outcome(list(outcomes.values()))
            rankings = [attacked[key] for key in seeded.by_key]
            ap = np.mean([ranking.ap for ranking in rankings], axis=0)
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
                    params=options_of(cell.attack.config),
                    dataset=dataset,
                    seen_in_training=cell.attack.name in seen,
                    ci95_map=cluster_bootstrap_ci(ap, query.pids),
                    seconds=outcome["seconds"],
                    forwards=outcome["forwards"],
                    backwards=outcome["backwards"],
                    queries=outcome["black_box_queries"],
                    flags=[_flag(one) for one in findings if one.attack == seeded.key],
                    map_float=outcome["map_float"],
                    map_jpeg=outcome["map_jpeg"],
                    curve=outcome["curve"],
                    target=outcome["target"],
                    prepare_seconds=self._prepare_seconds(seeded),
                    success_rate=success_rate(clean, rankings),
                    max_distance_255=outcome["max_distance_255"],
                    by_attack_seed=seed_results(outcomes),
                    crafting=self._crafting(cell),
                    halved_batch=smallest_batch(outcomes.values()),
                    **{key: outcome[key] for key in ("map", "rank1", "rank5", "rank10", "minp")},
                )
            )
        return results

    def _worst_by_training(
        self, trial: Trial, worst: RankingsBySeed, query: ImageSet
    ) -> dict[str, WorstCase | None]:
        """Return the worst case over seen and over unseen attacks, if there are both."""
        attacks = seeded_attacks(trial.attacks[trial.train.dataset])
        known = set(trial.train.trained_against)
        seen = among(worst, {one.key for one in attacks if one.example.attack.name in known})
        unseen = among(worst, {one.key for one in attacks if one.example.attack.name not in known})
        if not seen or not unseen:
            return {}
        return {
            "worst_seen": worst_result(seen, query),
            "worst_unseen": worst_result(unseen, query),
        }

    def _crafting(self, cell: AttackCell) -> Crafting | None:
        if cell.precision is None:
            return None
        return Crafting.model_validate(self._outcome(cell.precision))

    def _prepare_seconds(self, seeded: SeededAttack) -> float | None:
        prepared = [cell.prepared for cell in seeded.cells if cell.prepared is not None]
        seconds = [self._outcome(cell)["seconds"] for cell in prepared]
        return sum(seconds) / len(seconds) if seconds else None

    def _cross_dataset(self, trial: Trial, dataset: str) -> CrossDatasetResult:
        _, attacked = self._rankings(trial, dataset)
        worst = rankings_of(self._counted(trial, dataset), attacked)
        return CrossDatasetResult.model_validate(
            {
                "dataset": dataset,
                "clean": self._outcome(trial.clean[dataset]),
                "attacks": self._attack_results(trial, dataset, attacked),
                "worst_case": worst_result(worst, self._datasets.split(dataset, "query")),
            }
        )

    def _counted(self, trial: Trial, dataset: str) -> list[SeededAttack]:
        attacks = seeded_attacks(trial.attacks[dataset])
        return [one for one in attacks if counts(trial, one.example, self._outcome)]

    def _per_query(self, trial: Trial, dataset: str) -> PerQuery:
        query = self._datasets.split(dataset, "query")
        clean, attacked = self._rankings(trial, dataset)
        rankings = {"clean": clean, **attacked}
        return PerQuery(
            queries=np.array(query.names),
            pids=query.pids,
            camids=query.camids,
            ap={key: ranking.ap for key, ranking in rankings.items()},
            rank={key: ranking.rank for key, ranking in rankings.items()},
        )

    def _findings(self, trial: Trial, dataset: str) -> list[Finding]:
        trivial = {name: self._trivial_queries(name) for name in trial.clean}
        return findings_on(trial, dataset, self._config, self._outcome, trivial)

    def _trivial_queries(self, dataset: str) -> int:
        query = self._datasets.labels(dataset, "query")
        gallery = self._datasets.labels(dataset, "gallery")
        return trivial_queries(
            [one.pid for one in query],
            [one.camid for one in query],
            [one.pid for one in gallery],
            [one.camid for one in gallery],
            gallery_junk=[one.junk for one in gallery],
            gallery_distractor=[one.distractor for one in gallery],
        )

    def _flags(self, trial: Trial) -> list[RaisedFlag]:
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
                flags.append(RaisedFlag(id="query-without-match", message=message))
            findings = self._findings(trial, dataset)
            flags += [_flag(one) for one in findings if one.attack is None]
        return flags


def _flag(finding: Finding) -> RaisedFlag:
    return RaisedFlag(id=finding.id, message=finding.message)
