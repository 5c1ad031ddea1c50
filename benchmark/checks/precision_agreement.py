"""Whether an attack that is crafted in TF32 is as strong as in float32.

What counts is measured in float32 on images of 8 bits, however they were made. So a quicker
gradient is legitimate where it is as strong, and that is looked at, not believed: the same attack
with the same seeds crafts in both precisions, on the canary and on some queries of the encoder
itself. If the two mAP differ by more than `AGREEMENT_MAP`, it crafts in float32.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from benchmark.checks.canary import EPS_255, SEED, open_stage, ready_attack
from benchmark.core.attack import Attack
from benchmark.core.crafting_precision import CraftingPrecision
from benchmark.core.device import DevicePolicy
from benchmark.core.digits import told_apart
from benchmark.core.plugin import PluginConfig
from benchmark.core.progress import Bar, Progress
from benchmark.core.seeding import seed_everything
from benchmark.core.threat import Scenario
from benchmark.evaluation.evaluator import Evaluator

AGREEMENT_VERSION = 1

AGREEMENT_MAP = 0.1
"""Most that the two mAP may differ, in points."""


@dataclass(frozen=True)
class Agreement:
    """mAP under an attack that was crafted in both precisions, in percent.

    Attributes:
        float32_map: Crafted in float32.
        tf32_map: Crafted in TF32.
    """

    float32_map: float
    tf32_map: float

    @property
    def difference(self) -> float:
        """How far the two are apart, in points."""
        return abs(self.tf32_map - self.float32_map)

    @property
    def holds(self) -> bool:
        """Whether TF32 is as strong, and not by chance stronger."""
        return self.difference <= AGREEMENT_MAP

    def as_json(self) -> dict[str, float]:
        """Return both as plain values."""
        return asdict(self)

    def complaint(self, where: str) -> str | None:
        """Return what is wrong, in a clause; None if they agree."""
        if self.holds:
            return None
        tf32, float32 = told_apart(self.tf32_map, self.float32_map)
        return f"on {where} mAP is {tf32} crafted in TF32 and {float32} in float32"


def agreement_on_canary(
    plugin: type[Attack],
    config: PluginConfig,
    *,
    policy: DevicePolicy,
    work_dir: Path,
    progress: Progress,
    title: str,
) -> Agreement:
    """Attack the canary in both precisions, at the budget and the seed at which each is tried.

    Args:
        plugin: The attack.
        config: Its options.
        policy: Where to compute.
        work_dir: Folder of a preparation, which is in float32; must exist.
        progress: Where to report.
        title: What it is reported under.

    Raises:
        PluginError: The attack broke its contract.
    """
    stage = open_stage(policy)
    attack = ready_attack(plugin, config, EPS_255, stage, work_dir, progress=progress)
    surrogates = stage.surrogates(attack.threat_with(config))
    with progress.task(title, 2 * len(stage.target.query)) as bar:
        return _agreement(
            stage.target,
            SEED,
            lambda one: one.attacked(attack, SEED, bar, surrogates=surrogates).map,
        )


def agreement_on_queries(
    evaluator: Evaluator,
    attack: Attack,
    seed: int,
    bar: Bar,
    *,
    surrogates: Sequence[Evaluator],
    scenario: Scenario,
) -> Agreement:
    """Attack an encoder in both precisions.

    Args:
        evaluator: The encoder before some queries.
        attack: The attack with its budget.
        seed: Attack seed.
        bar: Advanced by the number of finished images.
        surrogates: Evaluators of what the attacker sees instead, before the same queries.
        scenario: Which images are perturbed, and to what end.

    Raises:
        PluginError: The attack or the encoder broke its contract.
    """
    return _agreement(
        evaluator,
        seed,
        lambda one: one.attacked(attack, seed, bar, surrogates=surrogates, scenario=scenario).map,
    )


def _agreement(
    evaluator: Evaluator, seed: int, map_under: Callable[[Evaluator], float]
) -> Agreement:
    """Attack twice; what draws from the generators of the process draws the same."""

    def crafted_in(precision: CraftingPrecision) -> float:
        seed_everything(seed)
        return map_under(replace(evaluator, crafting=precision))

    return Agreement(crafted_in("float32"), crafted_in("tf32"))
