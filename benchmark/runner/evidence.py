"""From the finished cells of a trial to the evidence that sanity flags look at."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from benchmark.checks.evidence import AttackEvidence, Evidence, Finding
from benchmark.checks.figures import ChoiceFigures, ProbeFigures
from benchmark.checks.flags import raise_flags
from benchmark.config.schema import RunConfig
from benchmark.core.defense import Defense
from benchmark.runner.attack_seeds import SeededAttack, mean_outcome, seeded_attacks
from benchmark.runner.cells.attack import AttackCell
from benchmark.runner.cells.cell import Cell
from benchmark.runner.choice import ChosenAttack
from benchmark.runner.plan import Trial

Reader = Callable[[Cell], dict[str, Any]]
"""Reads the figures of a finished cell."""

HOW = {"steps", "alpha_255", "start", "momentum", "best_iterate"}
"""Options of iterated attacks that say how an objective is climbed, not which one."""


def findings_on(
    trial: Trial, dataset: str, config: RunConfig, outcome: Reader, trivial: Mapping[str, int]
) -> list[Finding]:
    """Return what the flags found on a data set.

    The probe looks at the data set that was trained on; on others the attacks alone are compared.
    What a flag says of the encoder as a whole is said of the first data set only.

    Args:
        trial: Its cells are finished.
        dataset: One of its data sets.
        config: The configuration of the run.
        outcome: Reads a cell.
        trivial: Queries for which there is nothing to rank, by data set.
    """
    found = raise_flags(evidence_on(trial, dataset, config, outcome, trivial))
    main = next(iter(trial.clean))
    if dataset == main:
        return found
    of_encoder = evidence_on(trial, main, config, outcome, trivial)
    said = raise_flags(of_encoder)
    return [
        Finding(one.id, f"on {dataset}: {one.message}") if one.attack is None else one
        for one in found
        if one.attack is not None or one not in said
    ]


def evidence_on(
    trial: Trial, dataset: str, config: RunConfig, outcome: Reader, trivial: Mapping[str, int]
) -> Evidence:
    """Return what is known of the encoder of a trial on a data set."""
    probe = None
    if trial.probe is not None and trial.probe.dataset == dataset:
        probe = ProbeFigures.model_validate(outcome(trial.probe))
    compared = trial.choices
    choices = None
    if compared is not None and compared.dataset == dataset:
        choices = ChoiceFigures.model_validate(outcome(compared))
    plugin, clean = trial.train.plugin, outcome(trial.clean[dataset])
    attacks = seeded_attacks(trial.attacks[dataset])
    return Evidence(
        defense=plugin.adaptive,
        has_surrogate=_has_surrogate(plugin) if probe is None else probe.has_surrogate,
        eot_samples=config.evaluation.eot_samples,
        clean_map=clean["map"],
        queries=clean["queries"],
        probe=probe,
        attacks=[_attack_evidence(trial, one, outcome) for one in attacks],
        intent=config.scenario.intent,
        trivial_queries=trivial[dataset],
        choices=choices,
    )


def counts(trial: Trial, cell: AttackCell, outcome: Reader) -> bool:
    """Whether an attack's numbers count: it did not fail on the canary."""
    canary = trial.canaries.get(cell.attack.name)
    return canary is None or bool(outcome(canary)["passed"])


def _attack_evidence(trial: Trial, seeded: SeededAttack, outcome: Reader) -> AttackEvidence:
    cell, seen = seeded.example, mean_outcome([outcome(one) for one in seeded.cells])
    threat = cell.attack.threat
    canary = trial.canaries.get(cell.attack.name)
    tried = {} if canary is None else outcome(canary)
    return AttackEvidence(
        key=seeded.key,
        name=cell.attack.name,
        eps_255=cell.eps_255,
        norm=threat.norm,
        knowledge=threat.knowledge,
        is_single_step=getattr(cell.attack.config, "steps", None) == 1,
        objective=_objective(cell.attack),
        map=seen["map"],
        map_float=seen["map_float"],
        map_jpeg=seen["map_jpeg"],
        trace=seen["trace"],
        canary_passed=tried.get("passed"),
        canary_reason=tried.get("reason", ""),
    )


def _objective(attack: ChosenAttack) -> str | None:
    """Return what an iterated attack climbs: the function, and the options that shape it."""
    function = getattr(attack.plugin, "objective", None)
    if function is None:
        return None
    options = attack.config.model_dump(mode="json", exclude=HOW)
    return f"{function.__module__}.{function.__qualname__} {options}"


def _has_surrogate(plugin: Defense) -> bool:
    return type(plugin).surrogate is not Defense.surrogate
