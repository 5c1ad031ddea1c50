"""What an attack on a target costs."""

from __future__ import annotations

from benchmark.core.defense import Defense
from benchmark.runner.choice import ChosenAttack
from benchmark.runner.estimate import Estimator


def attack_passes(
    attack: ChosenAttack, eps_255: float, target: Defense, images: int, costs: Estimator
) -> float:
    """Return what the attack expects of so many images, by the draws of a random encoder (EOT)."""
    draws = target.adaptive.random and attack.threat.knowledge == "white"
    samples = costs.config.evaluation.eot_samples if draws else 1
    return attack.at(eps_255).expected_passes() * images * samples * costs.slowdown(target)
