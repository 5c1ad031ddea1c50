"""A finished training on queries and a gallery of an experiment's own, computed once."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np

from benchmark.core.errors import UsageError
from benchmark.core.image_set import ImageSet
from benchmark.core.seeding import derive_seed, torch_seeded
from benchmark.evaluation.evaluator import Evaluator
from benchmark.evaluation.worst_case import worst_case
from benchmark.experiments.context import ExperimentContext, Kept
from benchmark.experiments.direct_attack import check_direct, direct_attack, evaluator_of
from benchmark.experiments.measurement import CLEAN, WORST, QueryOutcomes, Trained
from benchmark.metrics.ranking import RankingResult
from benchmark.runner.choice import ChosenAttack

SCORE_VERSION = 2
"""Raised when a change of this measurement changes results."""


def scoring_attacks(context: ExperimentContext) -> tuple[list[ChosenAttack], float]:
    """Return the attacks that `scored` will use, and their budget; the control is left out.

    Raises:
        UsageError: There is no attack, not one budget, or an attack that is trained first.
    """
    attacks = [attack for attack in context.attacks if not attack.is_control]
    if not attacks:
        raise UsageError("this experiment needs an attack", "give one, such as --attack fna")
    for attack in attacks:
        check_direct(attack)
    return attacks, context.eps_255


def scored(
    context: ExperimentContext,
    trained: Trained,
    what: str,
    query: ImageSet,
    gallery: ImageSet,
    inputs: Mapping[str, object],
) -> dict[str, QueryOutcomes]:
    """Return how each query fares: ``clean``, by attack, and ``worst``: the worst for each query.

    The attacks of the run, at its only budget and its first attack seed; the control is left out.

    Args:
        context: What the experiment works with.
        trained: A finished training.
        what: Short name of the two sets.
        query: Queries.
        gallery: Their gallery.
        inputs: What the two sets were made from, beside the training data, as JSON values.

    Raises:
        UsageError: There is no attack, not one budget, or an attack that is trained first.
        PluginError: An attack or the encoder broke its contract.
    """
    attacks, eps_255 = scoring_attacks(context)
    noise = derive_seed("scene", what, trained.cell.fingerprint)
    evaluators: list[Evaluator] = []  # embedded when the first of its results is missing

    def ready() -> Evaluator:
        if not evaluators:
            with torch_seeded(noise, context.policy.device):  # also after a kill, for each attack
                evaluators.append(evaluator_of(trained, query, gallery, context.policy))
        return evaluators[0]

    def clean() -> Kept:
        return _kept(ready().clean.ranking)

    def attacked(attack: ChosenAttack) -> Kept:
        made = direct_attack(attack, eps_255, trained.variant.defense)
        title = f"{trained.title} · {attack.name} {what}"
        with context.progress.task(title, len(query)) as bar:
            return _kept(ready().attacked(made, context.config.attack_seed[0], bar).ranking)

    def stored(more: Mapping[str, object], compute: partial[Kept]) -> RankingResult:
        cell = context.kept(what, SCORE_VERSION, trained, {**inputs, **more}, compute)
        return RankingResult(**cell.arrays())

    rankings = {CLEAN: stored({}, partial(clean))}
    for attack in attacks:
        rankings[attack.name] = stored(context.attack_inputs(attack), partial(attacked, attack))
    worst = worst_case({name: one for name, one in rankings.items() if name != CLEAN})
    return {name: QueryOutcomes.of([one]) for name, one in (rankings | {WORST: worst}).items()}


def _kept(ranking: RankingResult) -> Kept:
    arrays = {"ap": ranking.ap, "inp": ranking.inp, "rank": ranking.rank}
    return Kept(ranking.summary(), {name: np.asarray(values) for name, values in arrays.items()})
