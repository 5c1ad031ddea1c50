"""A finished training, and what its cells say of it on test splits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from benchmark.config.schema import RunConfig
from benchmark.core.adaptive import adaptive_view
from benchmark.core.defense import Defense
from benchmark.evaluation.rankings import CleanRanking
from benchmark.evaluation.worst_case import worst_case
from benchmark.experiments.variant import Variant
from benchmark.metrics.ranking import RankingResult
from benchmark.models.classifier import IdentityClassifier, load_classifier
from benchmark.runner.attack_seeds import seeded_attacks
from benchmark.runner.cells.attack import AttackCell
from benchmark.runner.cells.cell import Cell
from benchmark.runner.cells.clean import CleanCell
from benchmark.runner.cells.train import TrainCell
from benchmark.runner.evidence import counts
from benchmark.runner.plan import Trial
from benchmark.runner.record_worst_case import rankings_of
from benchmark.runner.store import CellStore
from results.records.schema import Record

CLEAN = "clean"
WORST = "worst"


@dataclass(frozen=True)
class Trained:
    """A finished training.

    Attributes:
        variant: What was trained.
        cell: Its cell.
        config: The configuration that it was trained under.
        outcome: Figures of the training: seconds, epochs, history, report of the defense.
        load: Returns the encoder; see `encoder`.
        folder: Where its cell is kept.
    """

    variant: Variant
    cell: TrainCell
    config: RunConfig
    outcome: Mapping[str, Any]
    load: Callable[[], nn.Module]
    folder: Path

    @property
    def seed(self) -> int:
        """Seed of the training."""
        return self.cell.seed

    @property
    def title(self) -> str:
        """Row and seed, for progress and messages."""
        return f"{self.variant.label} · seed {self.seed}"

    @property
    def plugin(self) -> Defense:
        """The defense."""
        return self.cell.plugin

    @property
    def encoder(self) -> nn.Module:
        """The encoder in eval mode, on the device; loaded when asked for."""
        return self.load()

    @property
    def classifier(self) -> IdentityClassifier | None:
        """The classifier that was trained with the encoder; None if none was kept."""
        return load_classifier(self.folder)

    @property
    def view(self) -> nn.Module:
        """What a white-box attacker who knows the defense differentiates."""
        return adaptive_view(self.encoder, self.plugin, self.config.evaluation.eot_samples)


@dataclass(frozen=True)
class QueryOutcomes:
    """How each query fared, clean or under an attack, averaged over attack seeds.

    Attributes:
        ap: (Q,) average precision in [0, 1]; NaN where a query has no match.
        hit: (Q,) whether the nearest image is a match, 0 to 1; NaN likewise.
    """

    ap: NDArray[np.float64]
    hit: NDArray[np.float64]

    @classmethod
    def of(cls, rankings: Sequence[RankingResult]) -> QueryOutcomes:
        """Average the rankings of several attack seeds."""
        hits = [np.where(one.valid, one.rank == 1, np.nan) for one in rankings]
        return cls(np.mean([one.ap for one in rankings], axis=0), np.mean(hits, axis=0))

    @property
    def map(self) -> float:
        """Mean average precision in percent."""
        return 100 * float(np.nanmean(self.ap))

    @property
    def rank1(self) -> float:
        """Share of the queries whose nearest image is a match, in percent."""
        return 100 * float(np.nanmean(self.hit))


@dataclass(frozen=True)
class Measurement:
    """A training that was measured on test splits.

    Attributes:
        trained: The training.
        record: What `run` would record of it: flags, worst case, cost and the rest.
        clean: Clean rankings with embeddings, by data set.
        outcomes: By data set, the outcome of each query: ``clean``, under each attack
            (``sma@8``), and under the worst attack for each query (``worst``), if there is one.
        query_pids: (Q,) identities of the queries, by data set.
    """

    trained: Trained
    record: Record
    clean: Mapping[str, CleanRanking]
    outcomes: Mapping[str, Mapping[str, QueryOutcomes]]
    query_pids: Mapping[str, NDArray[np.int64]]

    @property
    def variant(self) -> Variant:
        """What was trained."""
        return self.trained.variant


def clean_of(store: CellStore, trial: Trial) -> dict[str, CleanRanking]:
    """Return the clean rankings of a finished trial, by data set."""
    return {name: cell.load(store) for name, cell in trial.clean.items()}


def outcomes_of(store: CellStore, trial: Trial, dataset: str) -> dict[str, QueryOutcomes]:
    """Return the outcomes of a finished trial on a data set; see `Measurement.outcomes`."""

    def ranking(cell: CleanCell | AttackCell) -> RankingResult:
        return store.get(cell.fingerprint).ranking()

    def figures(cell: Cell) -> dict[str, Any]:
        return store.get(cell.fingerprint).outcome

    repeats = seeded_attacks(trial.attacks[dataset])
    attacked = {key: ranking(cell) for one in repeats for key, cell in one.by_key.items()}
    found = {CLEAN: QueryOutcomes.of([ranking(trial.clean[dataset])])}
    for one in repeats:
        found[one.key] = QueryOutcomes.of([attacked[key] for key in one.by_key])
    counted = [one for one in repeats if counts(trial, one.example, figures)]
    worst = [worst_case(by_key) for by_key in rankings_of(counted, attacked).values()]
    return found | ({WORST: QueryOutcomes.of(worst)} if worst else {})
