"""A finished training before queries and a gallery of an experiment's own."""

from __future__ import annotations

from benchmark.core.attack import Attack
from benchmark.core.device import DevicePolicy
from benchmark.core.errors import UsageError
from benchmark.core.image_set import ImageSet
from benchmark.evaluation.evaluator import Evaluator
from benchmark.experiments.measurement import Trained
from benchmark.runner.choice import ChosenAttack


def evaluator_of(
    trained: Trained, query: ImageSet, gallery: ImageSet, policy: DevicePolicy
) -> Evaluator:
    """Rank two sets clean; what is attacked then is measured as in a run."""
    return Evaluator.of(
        trained.encoder,
        query,
        gallery,
        policy=policy,
        owner=trained.variant.defense,
        batch=trained.config.evaluation.batch,
        adaptive=trained.view,
        rerank=trained.config.evaluation.rerank,
        adjusts=not trained.plugin.adaptive.random,
    )


def direct_attack(attack: ChosenAttack, eps_255: float, owner: str) -> Attack:
    """Return an attack with its budget.

    Raises:
        UsageError: It looks through surrogates or is trained first.
    """
    check_direct(attack)
    return attack.plugin(attack.config, eps_255, owner)


def check_direct(attack: ChosenAttack) -> None:
    """Refuse an attack that needs more than the encoder in front of it.

    Raises:
        UsageError: It looks through surrogates or is trained first.
    """
    if attack.surrogates or attack.plugin.needs_preparation:
        raise UsageError(
            f"this experiment cannot use the attack {attack.name!r}: it must be trained first",
            "use attacks of the groups default and white, such as metric-ifgsm and soft-ap",
        )
