"""``tune``: a search over hyperparameters that cannot see the test split."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from benchmark.core.errors import UsageError
from benchmark.core.plugin import Card, PluginConfig
from benchmark.data.held_out import can_be_ranked, query_and_gallery
from benchmark.experiments.candidates import read_candidates
from benchmark.experiments.experiment import Experiment
from benchmark.experiments.findings import Findings, Table
from benchmark.experiments.laboratory import Laboratory
from benchmark.experiments.measurement import CLEAN, WORST, Outcome
from benchmark.experiments.scoring import scored, scoring_attacks
from benchmark.experiments.summary import Over
from benchmark.experiments.variant import Variant
from results.board.columns import TableCell

Criterion = Literal["sum", "worst"]


def figures_of(outcomes: Mapping[str, Outcome]) -> dict[str, float]:
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

    def run(self, lab: Laboratory) -> Findings:
        """Train and score every candidate at every seed."""
        scoring_attacks(lab)
        candidates = lab.variants
        if self.config.candidates is not None:
            candidates = read_candidates(self.config.candidates, lab.config.defense)
        _, held_out = lab.fitted_and_held_out()
        query, gallery = query_and_gallery(held_out)
        if not can_be_ranked(query, gallery):
            raise UsageError(
                "too few held-out training identities: two are needed, one of them seen by two "
                "cameras",
                "raise training.held_out, or use data whose identities several cameras saw",
            )
        scores: dict[str, dict[int, dict[str, float]]] = defaultdict(dict)
        share = {"held_out": lab.config.training.held_out}
        seconds: Counter[str] = Counter()
        for trained in lab.train(candidates):
            with lab.tolerating(f"{trained.variant.label} · seed {trained.seed}"):
                outcomes = scored(lab, trained, "held-out", query, gallery, share)
                scores[trained.variant.label][trained.seed] = figures_of(outcomes)
                seconds[trained.variant.label] += trained.outcome["seconds"]
        if not scores:
            raise UsageError("no candidate could be scored", "see the messages above")
        figures = {
            label: {
                key: Over({seed: score[key] for seed, score in by_seed.items()})
                for key in next(iter(by_seed.values()))
            }
            for label, by_seed in scores.items()
        }
        best = max(figures, key=lambda label: figures[label][self.config.criterion].mean)
        result = self._result(lab, candidates, figures, best, len(held_out.identities))
        result["training_seconds"] = dict(seconds)
        return Findings([self._table(lab, figures, best, result)], result)

    def _result(
        self,
        lab: Laboratory,
        candidates: list[Variant],
        figures: dict[str, dict[str, Over]],
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
                    "figures": {k: v.as_json() for k, v in figures.get(one.label, {}).items()},
                }
                for one in candidates
            ],
            "number_of_candidates": dict(tried),
            "seeds": lab.config.seed,
            "trainings": len(candidates) * len(lab.config.seed),
            "best": {
                "label": best,
                "defense": chosen.defense,
                "settings": dict(chosen.settings),
            },
        }

    def _table(
        self,
        lab: Laboratory,
        figures: dict[str, dict[str, Over]],
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
            f"mAP on {result['identities']} held-out training identities of {lab.config.dataset}",
            "Candidate",
            keys,
            rows,
            note=f"Candidates: {tried}; seeds {', '.join(map(str, lab.config.seed))}; ± is the "
            "standard deviation over them. worst: each query meets its strongest attack. Test "
            "splits were closed. Differences within the spread over seeds decide nothing.",
        )
