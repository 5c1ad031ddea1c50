"""``tune``: a search over hyperparameters that cannot see the test split."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from benchmark.core.errors import UsageError
from benchmark.core.plugin import Card, PluginConfig
from benchmark.data.held_out import query_and_gallery
from benchmark.data.records import ImageSet
from benchmark.experiments.candidates import read_candidates
from benchmark.experiments.crafting import Scene
from benchmark.experiments.experiment import Experiment
from benchmark.experiments.findings import Findings, Table
from benchmark.experiments.laboratory import Kept, Laboratory
from benchmark.experiments.measurement import Trained
from benchmark.experiments.summary import Over, worst_ap
from benchmark.experiments.variant import Variant
from benchmark.runner.cells import attack_content
from benchmark.runner.choice import ChosenAttack
from results.columns import Cell

HELD_OUT_VERSION = 1
"""Raised when a change of the measurement on held-out identities changes results."""

AP = NDArray[np.float64]
Criterion = Literal["sum", "worst"]


@dataclass(frozen=True)
class _Score:
    """AP of each held-out query, clean and under each attack, of one candidate at one seed."""

    ap: Mapping[str, AP]

    @property
    def maps(self) -> dict[str, float]:
        """Return mAP in percent by attack, of the worst attack for each query, and their sum."""
        found = {key: 100 * float(np.nanmean(ap)) for key, ap in self.ap.items()}
        attacked = [key for key in self.ap if key != "clean"]
        found["worst"] = 100 * float(np.nanmean(worst_ap(self.ap, attacked)))
        found["sum"] = found["clean"] + found["worst"]
        return found


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
        if len(lab.config.eps) != 1:
            raise UsageError("a search has one budget", "give a single --eps")
        candidates = lab.variants
        if self.config.candidates is not None:
            candidates = read_candidates(self.config.candidates, lab.config.defense)
        _, held_out = lab.fitted_and_held_out()
        query, gallery = query_and_gallery(held_out)
        if not len(query):
            raise UsageError(
                "no held-out training identity is seen by two cameras",
                "raise training.held_out, so that there is something to choose on",
            )
        scores: dict[str, dict[int, _Score]] = defaultdict(dict)
        seconds: Counter[str] = Counter()
        for trained in lab.train(candidates):
            with lab.tolerating(f"{trained.variant.label} · seed {trained.seed}"):
                score = _Score(held_out_ap(lab, trained, query, gallery))
                scores[trained.variant.label][trained.seed] = score
                seconds[trained.variant.label] += trained.outcome["seconds"]
        if not scores:
            raise UsageError("no candidate could be scored", "see the messages above")
        figures = {
            label: {
                key: Over({seed: score.maps[key] for seed, score in by_seed.items()})
                for key in next(iter(by_seed.values())).maps
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
            (label, [Cell(figures[label][key].cell().text, best=label == best) for key in keys])
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


def held_out_ap(
    lab: Laboratory, trained: Trained, query: ImageSet, gallery: ImageSet
) -> dict[str, AP]:
    """Return the AP of each query, clean and under each attack; computed once for a training.

    Args:
        lab: The laboratory; its attacks and its only budget are used.
        trained: A finished training.
        query: Queries of held-out identities.
        gallery: Their gallery.
    """
    scene: list[Scene] = []  # embedded when the first of its results is missing

    def ready() -> Scene:
        if not scene:
            scene.append(Scene.of(trained, query, gallery, lab.policy))
        return scene[0]

    def clean() -> Kept:
        return Kept({}, {"ap": ready().clean.ranking.ap})

    def attacked(attack: ChosenAttack) -> Kept:
        title = f"{trained.variant.label} · seed {trained.seed} · {attack.name} held-out"
        ranked = ready().attacked(attack, eps_255, lab.progress, title)
        return Kept(ranked.ranking.summary(), {"ap": ranked.ranking.ap})

    (eps_255,) = lab.config.eps
    share = {"held_out": lab.config.training.held_out}
    stored = lab.kept("held-out clean", HELD_OUT_VERSION, trained, share, clean)
    found = {"clean": stored.arrays()["ap"]}
    for attack in lab.attacks:
        if attack.is_control:
            continue
        inputs = {
            **share,
            "attack": attack_content(attack),
            "eps_255": eps_255,
            "attack_seed": lab.config.attack_seed[0],
            "eot_samples": lab.config.evaluation.eot_samples,
        }
        compute = partial(attacked, attack)
        stored = lab.kept("held-out attacked", HELD_OUT_VERSION, trained, inputs, compute)
        found[attack.name] = stored.arrays()["ap"]
    if len(found) == 1:
        raise UsageError("a search needs an attack", "add one with --attack, such as metric-ifgsm")
    return found
