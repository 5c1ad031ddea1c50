"""``tune``: a search over hyperparameters that cannot see the test split."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from benchmark.core.errors import UsageError
from benchmark.core.plugin import Card, PluginConfig
from benchmark.data.held_out import can_be_ranked, query_and_gallery
from benchmark.experiments.context import ExperimentContext
from benchmark.experiments.experiment import Experiment
from benchmark.experiments.findings import Findings, Table
from benchmark.experiments.measurement import CLEAN, WORST, QueryOutcomes
from benchmark.experiments.scoring import scored, scoring_attacks
from benchmark.experiments.summary import Summaries, as_json, over_seeds
from benchmark.experiments.tune.candidates import read_candidates
from benchmark.experiments.variant import Variant
from results.board.columns import TableCell

Criterion = Literal["sum", "worst"]


def figures_of(outcomes: Mapping[str, QueryOutcomes]) -> dict[str, float]:
    """Return mAP in percent, clean, by attack and in the worst case, and clean + worst."""
    found = {key: outcome.map for key, outcome in outcomes.items()}
    return {**found, "sum": found[CLEAN] + found[WORST]}


class Tune(Experiment):
    """Compare candidates on held-out training identities, clean and in the worst case."""

    card = Card(
        title="Hyperparameter search on held-out training identities",
        notes="Candidates are trained through the cells of a run and compared on the identities "
        "that checkpoint selection uses, which no training fits; the test splits are closed to "
        "this experiment. The criterion is this project's: clean mAP plus the mAP of the worst "
        "attack for each query. As checkpoints are selected on the same identities, the figures "
        "of all candidates are somewhat high; they rank candidates and are no result.",
    )
    defaults = {
        "defense": ["ddid"],
        "attack": ["metric-ifgsm", "metric-pgd", "fna", "soft-ap"],
        "test_dataset": ["none"],
    }
    settings = ("evaluation.checks=false",)
    opens = ("train",)

    class Config(PluginConfig):
        """Options of the experiment."""

        candidates: Path | None = None
        """YAML file: a line ``NAME: {KEY: VALUE, …}`` for each candidate, keys as in ``--set``;
        unset: the chosen defenses as they are."""
        criterion: Criterion = "sum"
        """What the best candidate has most of: clean + worst mAP (``sum``), or ``worst`` alone."""

    config: Config

    def run(self, context: ExperimentContext) -> Findings:
        """Train and score every candidate at every seed."""
        scoring_attacks(context)
        candidates = context.variants
        if self.config.candidates is not None:
            candidates = read_candidates(self.config.candidates, context.config.defense)
        _, held_out = context.fitted_and_held_out()
        query, gallery = query_and_gallery(held_out)
        if not can_be_ranked(query, gallery):
            raise UsageError(
                "too few held-out training identities: two are needed, one of them seen by two "
                "cameras",
                "raise training.held_out, or use data whose identities several cameras saw",
            )
        scores: dict[str, dict[int, dict[str, float]]] = defaultdict(dict)
        share = {"held_out": context.config.training.held_out}
        seconds: Counter[str] = Counter()
        for trained in context.train(candidates):
            with context.tolerating(trained.title):
                outcomes = scored(context, trained, "held-out", query, gallery, share)
                scores[trained.variant.label][trained.seed] = figures_of(outcomes)
                seconds[trained.variant.label] += trained.outcome["seconds"]
        if not scores:
            raise UsageError("no candidate could be scored", "see the messages above")
        figures = over_seeds(scores)
        best = max(figures, key=lambda label: figures[label][self.config.criterion].mean)
        result = self._result(context, candidates, figures, best, len(held_out.identities))
        result["training_seconds"] = dict(seconds)
        return Findings([self._table(context, figures, best, result)], result)

    def _result(
        self,
        context: ExperimentContext,
        candidates: list[Variant],
        figures: Summaries,
        best: str,
        identities: int,
    ) -> dict[str, Any]:
        """Return what a record needs to say how much tuning a defense got."""
        tried = Counter(one.defense for one in candidates)
        chosen = next(one for one in candidates if one.label == best)
        return {
            "split": "held-out training identities",
            "identities": identities,
            "criterion": self.config.criterion,
            "candidates": [
                {
                    "label": one.label,
                    "defense": one.defense,
                    "settings": dict(one.settings),
                    "figures": as_json(figures.get(one.label, {})),
                }
                for one in candidates
            ],
            "number_of_candidates": dict(tried),
            "seeds": context.config.seed,
            "trainings": len(candidates) * len(context.config.seed),
            "best": {
                "label": best,
                "defense": chosen.defense,
                "settings": dict(chosen.settings),
            },
        }

    def _table(
        self,
        context: ExperimentContext,
        figures: Summaries,
        best: str,
        result: dict[str, Any],
    ) -> Table:
        keys = list(next(iter(figures.values())))
        ordered = sorted(figures, key=lambda one: -figures[one][self.config.criterion].mean)
        rows = [
            (
                label,
                [TableCell(figures[label][key].cell().text, best=label == best) for key in keys],
            )
            for label in ordered
        ]
        tried = ", ".join(f"{n} of {name}" for name, n in result["number_of_candidates"].items())
        return Table(
            f"mAP on {result['identities']} held-out training identities of "
            f"{context.config.dataset}",
            "Candidate",
            keys,
            rows,
            note=f"Candidates: {tried}; seeds {', '.join(map(str, context.config.seed))}; ± is the "
            "standard deviation over them. worst: each query meets its strongest attack. Test "
            "splits were closed. Differences within the spread over seeds decide nothing.",
        )
