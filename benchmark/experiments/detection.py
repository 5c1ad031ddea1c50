"""Detection: can a detector tell attacked queries, also of attackers that know it?

After Wang et al., ICCV 2021 (MEAAD); the protocol is in `benchmark.protocols.detection`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, get_args

from pydantic import Field

from benchmark.core.attack import Attack
from benchmark.core.errors import PluginError, UsageError
from benchmark.core.plugin import Card, PluginConfig
from benchmark.core.seeding import derive_seed
from benchmark.data.held_out import query_and_gallery
from benchmark.experiments.detection_report import (
    Kind,
    Verdict,
    figure_of,
    result_of,
    summary_table,
    table_of,
)
from benchmark.experiments.experiment import Experiment
from benchmark.experiments.findings import Findings
from benchmark.experiments.laboratory import Kept, Laboratory, Trained
from benchmark.experiments.variant import Variant
from benchmark.metrics.ranking import RankingResult
from benchmark.protocols.detection import DetectionScene, Judged
from benchmark.protocols.detection_attack import Evading, Strategy
from benchmark.protocols.detection_classifier import fit_detector
from benchmark.runner.cells import attack_content
from benchmark.runner.choice import ChosenAttack

DETECTION_VERSION = 1
"""Raised when a change of detector, adaptive attack or measurement changes results."""

EXPERT_SEED = 2_000_000
"""Training seed of the first expert beside the target: none that a user gives to a target."""


class Detection(Experiment):
    """AUC of a context detector on seen, unseen and adaptive attacks."""

    card: ClassVar[Card] = Card(
        title="Detection of attacked queries by context inconsistency",
        paper="Wang et al., Multi-Expert Adversarial Attack Detection in Person "
        "Re-identification Using Context Inconsistency, ICCV 2021",
        claims="Detects attacks with an ROC-AUC over 97.5 % on Market-1501 and DukeMTMC-reID.",
        notes="Made from a description. Not published and therefore chosen: K, the experts, the "
        "classifier and its training; fitted on held-out training identities. The adaptive "
        "attackers are this benchmark's.",
    )
    defaults: ClassVar[Mapping[str, Any]] = {
        "defense": ["none", "metric-at"],
        "attack": ["metric-ifgsm", "sma", "fna", "odfa", "soft-ap", "random-noise"],
        "test_dataset": ["none"],
    }

    class Config(PluginConfig):
        """Options."""

        experts: int = Field(default=2, ge=1, le=8)
        """Encoders beside the target that look at a query."""
        expert_defense: str = "none"
        """What they are trained by, each at a seed of its own."""
        k: int = Field(default=10, ge=2)
        """Size of a support set; less where a query has fewer images of other cameras."""
        seen: tuple[str, ...] = Field(default=("metric-ifgsm", "sma"), min_length=1)
        """Attacks that the detector is fitted on; all other chosen ones are unseen."""
        weights: tuple[float, ...] = Field(default=(0.0, 0.1, 1.0), min_length=1)
        """Weights of the detector's logit in the adaptive attacks."""
        adaptive_steps: int = Field(default=40, ge=1)
        """Gradient steps of the adaptive attacks."""
        damage_share: float = Field(default=0.8, gt=0, le=1)
        """Share of the worst attack's damage to mAP that an adaptive attack must keep to count."""
        hidden: int = Field(default=64, ge=1)
        """Hidden units of the classifier."""
        steps: int = Field(default=300, ge=1)
        """Steps of its training."""
        learning_rate: float = Field(default=1e-3, gt=0)
        """Step size of its training."""
        weight_decay: float = Field(default=1e-2, ge=0)
        """Weight decay of its training."""

    config: Config

    def run(self, lab: Laboratory) -> Findings:
        """Fit and attack a detector for each chosen defense and seed."""
        eps_255 = self._check(lab)
        verdicts: dict[str, Verdict] = {}
        for trained in lab.train(lab.variants):
            label = f"{trained.variant.label} seed {trained.seed}"
            with lab.tolerating(label):
                verdicts[label] = self._verdict(lab, trained, eps_255)
        share = self.config.damage_share
        return Findings(
            tables=[
                summary_table(verdicts, share),
                *(table_of(label, verdict, share) for label, verdict in verdicts.items()),
            ],
            result={label: result_of(verdict, share) for label, verdict in verdicts.items()},
            figures={
                f"roc-{label.replace(' ', '-')}": figure_of(label, verdict, share)
                for label, verdict in verdicts.items()
            },
        )

    def _check(self, lab: Laboratory) -> float:
        """Return the budget.

        Raises:
            UsageError: Several budgets, no attack to be fitted on, or one that needs preparation.
        """
        if len(lab.config.eps) != 1:
            raise UsageError("experiment detection takes one budget", "give a single --eps")
        names = [attack.name for attack in lab.attacks]
        for name in self.config.seen:
            if name not in names:
                raise UsageError(
                    f"the detector cannot be fitted on {name!r}: it is no attack of this run",
                    f"add --attack {name}, or set experiment.seen to some of {', '.join(names)}",
                )
        for attack in lab.attacks:
            if attack.plugin.needs_preparation or attack.surrogates:
                raise UsageError(
                    f"experiment detection cannot use {attack.name!r}: it is trained first, or "
                    "works on surrogates",
                    "leave it out",
                )
        return lab.config.eps[0]

    def _experts(self, lab: Laboratory, target: Trained) -> list[Trained]:
        seeds = [EXPERT_SEED + index for index in range(self.config.experts)]
        others = list(lab.train([Variant("expert", self.config.expert_defense)], seeds))
        if len(others) < self.config.experts:
            raise PluginError("an expert could not be trained", "the lines before this say why")
        return [target, *others]

    def _verdict(self, lab: Laboratory, target: Trained, eps_255: float) -> Verdict:
        experts = self._experts(lab, target)
        inputs = {
            "options": self.config.model_dump(mode="json"),
            "experts": [one.cell.fingerprint for one in experts[1:]],
            "attacks": [attack_content(attack) for attack in lab.attacks],
            "eps_255": eps_255,
            "attack_seed": lab.config.attack_seed,
            "eot_samples": lab.config.evaluation.eot_samples,
            "held_out": lab.config.training.held_out,
        }
        stored = lab.kept(
            "verdict",
            DETECTION_VERSION,
            target,
            inputs,
            lambda: self._measure(lab, experts, eps_255),
        )
        arrays, outcome = stored.arrays(), stored.outcome

        def judged(key: str) -> Judged:
            ranking = RankingResult(
                **{part: arrays[f"{key}/{part}"] for part in ("ap", "inp", "rank")}
            )
            return Judged(arrays[f"{key}/scores"], ranking)

        return Verdict(
            pids=arrays["pids"],
            clean=judged("clean"),
            attacked={key: judged(key) for key in outcome["kinds"]},
            kinds=outcome["kinds"],
            figures={name: outcome[name] for name in ("k", "fitted_benign", "fitted_attacked")},
        )

    def _measure(self, lab: Laboratory, experts: list[Trained], eps_255: float) -> Kept:
        encoders, views = [one.encoder for one in experts], [one.view for one in experts]
        dataset, config = lab.config.dataset, self.config
        _, held_out = lab.fitted_and_held_out()
        # Attacked training queries all have a match; a detector is not fitted on any other.
        watched = held_out if not len(query_and_gallery(held_out)[0]) else held_out
        seed = lab.config.attack_seed

        def scene(query: Any, gallery: Any) -> DetectionScene:
            return DetectionScene(
                encoders,
                views,
                query,
                gallery,
                policy=lab.policy,
                batch=lab.config.evaluation.batch,
                owner=experts[0].cell.defense,
            )

        fitting = scene(watched, watched)
        query = lab.split(dataset, "query")
        testing = scene(query, lab.split(dataset, "gallery"))
        return Kept({}, {})
