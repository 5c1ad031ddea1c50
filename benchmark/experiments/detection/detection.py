"""Detection: can a detector tell attacked queries, also of attackers that know it?

After Wang et al., ICCV 2021 (MEAAD); the protocol is in `detection_scene`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from benchmark.core.errors import UsageError
from benchmark.core.plugin import Card
from benchmark.experiments.context import ExperimentContext
from benchmark.experiments.detection.detection_report import (
    DetectorResult,
    detectors_table,
    result_of,
    table_of,
)
from benchmark.experiments.detection.detector_evaluation import DetectionOptions, DetectorEvaluation
from benchmark.experiments.direct_attack import check_direct
from benchmark.experiments.experiment import Experiment
from benchmark.experiments.findings import Findings


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

    class Config(DetectionOptions):
        """Options."""

    config: Config

    def run(self, context: ExperimentContext) -> Findings:
        """Fit and attack a detector for each chosen defense and seed."""
        self._check(context)
        evaluation = DetectorEvaluation(context, self.config)
        results: dict[str, DetectorResult] = {}
        for trained in context.train(context.variants):
            label = f"{trained.variant.label} seed {trained.seed}"
            with context.tolerating(label):
                results[label] = evaluation.result(trained)
        from benchmark.experiments.detection.roc_figure import figure_of  # matplotlib takes a while

        share = self.config.damage_share
        return Findings(
            tables=[
                detectors_table(results, share),
                *(table_of(label, result, share) for label, result in results.items()),
            ],
            result={label: result_of(result, share) for label, result in results.items()},
            figures={
                f"roc-{label.replace(' ', '-')}": figure_of(label, result)
                for label, result in results.items()
            },
        )

    def _check(self, context: ExperimentContext) -> None:
        """Check the attacks before any training.

        Raises:
            UsageError: There is none to be fitted on, or one that needs preparation.
        """
        names = [attack.name for attack in context.attacks]
        for name in self.config.seen:
            if name not in names:
                raise UsageError(
                    f"the detector cannot be fitted on {name!r}: it is no attack of this run",
                    f"add --attack {name}, or set experiment.seen to some of {', '.join(names)}",
                )
        for attack in context.attacks:
            check_direct(attack)
