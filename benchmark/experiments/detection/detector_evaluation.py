"""The measurement behind the detection experiment: experts, a fitted detector, every attack."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_args

import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from benchmark.core.attack import Attack
from benchmark.core.errors import DataError, PluginError
from benchmark.core.image_set import ImageSet
from benchmark.core.plugin import PluginConfig
from benchmark.experiments.context import ExperimentContext, Kept
from benchmark.experiments.detection.detection_report import DetectorResult, Kind
from benchmark.experiments.detection.detection_scene import (
    DetectionScene,
    ScoredQueries,
    with_match,
)
from benchmark.experiments.detection.detector import Detector, fit_detector
from benchmark.experiments.detection.evading_attack import Evading, Strategy
from benchmark.experiments.detection.retrieval_context import ContextExtractor
from benchmark.experiments.measurement import Trained
from benchmark.experiments.variant import Variant
from benchmark.metrics.ranking import RankingResult
from benchmark.runner.cells.content import attack_content
from benchmark.runner.choice import ChosenAttack

DETECTION_VERSION = 2
"""Raised when a change of detector, adaptive attack or measurement changes results."""

CLEAN = "clean"
RANKING_PARTS = ("ap", "inp", "rank")

EXPERT_SEED = 2_000_000
"""Training seed of the first expert beside the target: none that a user gives to a target."""


class DetectionOptions(PluginConfig):
    """Options of the experiment."""

    experts: int = Field(default=2, ge=1, le=8)
    """Encoders beside the target that embed a query."""
    expert_defense: str = "none"
    """What they are trained by, each at a seed of its own."""
    k: int = Field(default=10, ge=2)
    """Size of a support set; less where a query has fewer images of other cameras."""
    seen: tuple[str, ...] = Field(default=("metric-ifgsm", "sma"), min_length=1)
    """Attacks that the detector is fitted on; all other chosen ones are unseen."""
    weights: tuple[float, ...] = Field(
        default=(0.0, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0), min_length=1
    )
    """Weights of the detector's loss in the adaptive attacks."""
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


class DetectorEvaluation:
    """Fits and attacks a detector for each target.

    Args:
        context: What the experiment works with.
        options: What was chosen.
    """

    def __init__(self, context: ExperimentContext, options: DetectionOptions) -> None:
        self._context, self._options, self._eps_255 = context, options, context.eps_255

    def result(self, target: Trained) -> DetectorResult:
        """Return the scores of the test queries, measured once for the same target and options.

        Raises:
            PluginError: An expert could not be trained, or an attack failed.
            DataError: There are too few images of other cameras to retrieve.
        """
        experts = self._experts(target)
        config = self._context.config
        inputs = {
            "options": self._options.model_dump(mode="json", exclude={"damage_share"}),
            "experts": [one.cell.fingerprint for one in experts[1:]],
            "attacks": [attack_content(attack) for attack in self._context.attacks],
            "eps_255": self._eps_255,
            "attack_seed": config.attack_seed[0],
            "eot_samples": config.evaluation.eot_samples,
            "held_out": config.training.held_out,
        }
        stored = self._context.kept(
            "verdict", DETECTION_VERSION, target, inputs, lambda: self._measure(experts, inputs)
        )
        arrays, outcome = stored.arrays(), stored.outcome
        kinds = dict(outcome["kinds"])
        return DetectorResult(
            pids=arrays["pids"],
            clean=_scored_queries(arrays, CLEAN),
            attacked={key: _scored_queries(arrays, key) for key in kinds},
            kinds=kinds,
            k=outcome["k"],
            fitted=(outcome["fitted_benign"], outcome["fitted_attacked"]),
        )

    def _experts(self, target: Trained) -> list[Trained]:
        seeds = [EXPERT_SEED + index for index in range(self._options.experts)]
        variant = Variant("expert", self._options.expert_defense)
        others = list(self._context.train([variant], seeds))
        if len(others) < len(seeds):
            raise PluginError("an expert could not be trained", "the error beside this says why")
        return [target, *others]

    def _measure(self, experts: Sequence[Trained], inputs: Mapping[str, object]) -> Kept:
        context = self._context
        _, held_out = context.fitted_and_held_out()
        fitting = self._scene(experts, with_match(held_out), held_out)
        query, gallery = (
            context.split(context.config.dataset, "query"),
            context.split(context.config.dataset, "gallery"),
        )
        testing = self._scene(experts, query, gallery)
        k = min(self._options.k, fitting.largest_k, testing.largest_k)
        if k < 2:
            raise DataError("a query has fewer than two images of other cameras", "use more data")
        extractor = testing.extractor(k)
        detector, fitted = self._fitted(fitting, fitting.extractor(k))
        scored = {CLEAN: testing.score(extractor, detector, testing.clean())}
        kinds: dict[str, Kind] = {}

        def put(name: str, kind: Kind, attack: Attack) -> None:
            """Attack the queries, or find again what was finished before an interruption."""

            def attacked() -> Kept:
                joined = self._crafted(testing, attack, name)
                return Kept({}, _arrays(name, testing.score(extractor, detector, joined)))

            key = {**inputs, "attack": name}
            stored = context.kept("attacked", DETECTION_VERSION, experts[0], key, attacked)
            scored[name], kinds[name] = _scored_queries(stored.arrays(), name), kind

        for chosen in context.attacks:
            put(chosen.name, self._kind(chosen), self._made(chosen))
        for name, attack in self._evading(extractor, detector):
            put(name, "adaptive", attack)
        arrays = {"pids": query.pids}
        for name, one in scored.items():
            arrays |= _arrays(name, one)
        order = list(kinds.items())  # a list, because outcomes are stored with sorted keys
        return Kept({"kinds": order, "k": k, **fitted}, arrays)

    def _fitted(
        self, scene: DetectionScene, extractor: ContextExtractor
    ) -> tuple[Detector, dict[str, int]]:
        """Return a detector, and on how many images of each kind it was fitted."""
        benign = scene.features(extractor, scene.clean())
        seen = [attack for attack in self._context.attacks if attack.name in self._options.seen]
        crafted = [self._crafted(scene, self._made(one), f"fit, {one.name}") for one in seen]
        attacked = torch.cat([scene.features(extractor, joined) for joined in crafted])
        detector = fit_detector(
            benign,
            attacked,
            hidden=self._options.hidden,
            steps=self._options.steps,
            learning_rate=self._options.learning_rate,
            weight_decay=self._options.weight_decay,
            seed=self._context.config.attack_seed[0],
        )
        return detector, {"fitted_benign": len(benign), "fitted_attacked": len(attacked)}

    def _scene(
        self, experts: Sequence[Trained], query: ImageSet, gallery: ImageSet
    ) -> DetectionScene:
        return DetectionScene(
            [one.encoder for one in experts],
            [one.view for one in experts],
            query,
            gallery,
            policy=self._context.policy,
            batch=self._context.config.evaluation.batch,
            owner=experts[0].cell.defense,
        )

    def _kind(self, attack: ChosenAttack) -> Kind:
        if attack.is_control:
            return "control"
        return "seen" if attack.name in self._options.seen else "unseen"

    def _made(self, attack: ChosenAttack) -> Attack:
        return attack.plugin(attack.config, self._eps_255)

    def _evading(
        self, extractor: ContextExtractor, detector: Detector
    ) -> Iterator[tuple[str, Evading]]:
        for strategy in get_args(Strategy):
            for weight in self._options.weights:
                steps = self._options.adaptive_steps
                options = {"strategy": strategy, "weight": weight, "steps": steps}
                attack = Evading(Evading.parse_config(options), self._eps_255)
                attack.extractor, attack.detector = extractor, detector
                yield f"{strategy} {weight:g}", attack

    def _crafted(self, scene: DetectionScene, attack: Attack, title: str) -> Tensor:
        with self._context.progress.task(f"detection · {title}", scene.queries) as bar:
            return scene.attacked(attack, self._context.config.attack_seed[0], bar)


def _arrays(key: str, scored: ScoredQueries) -> dict[str, NDArray[Any]]:
    ranking = {f"{key}/{part}": getattr(scored.ranking, part) for part in RANKING_PARTS}
    return {f"{key}/scores": scored.scores, **ranking}


def _scored_queries(arrays: Mapping[str, NDArray[Any]], key: str) -> ScoredQueries:
    ranking = RankingResult(**{part: arrays[f"{key}/{part}"] for part in RANKING_PARTS})
    return ScoredQueries(arrays[f"{key}/scores"], ranking)
