"""The plan of a run: its cells in the order in which they can be computed, and its records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from benchmark.config.schema import RunConfig
from benchmark.core.defense import Defense
from benchmark.core.fingerprint import fingerprint
from benchmark.core.surrogate import Surrogate
from benchmark.core.training_seeds import SURROGATE_SEEDS
from benchmark.runner.cells.attack import AttackCell
from benchmark.runner.cells.canary import CanaryCell
from benchmark.runner.cells.cell import Cell
from benchmark.runner.cells.choices import ChoicesCell
from benchmark.runner.cells.clean import CleanCell
from benchmark.runner.cells.content import queries_content
from benchmark.runner.cells.precision import PrecisionCell
from benchmark.runner.cells.prepare import PrepareCell
from benchmark.runner.cells.probe import ProbeCell
from benchmark.runner.cells.train import TrainCell
from benchmark.runner.choice import Choice, ChosenAttack
from benchmark.runner.protocol import protocol_fingerprint
from benchmark.training.config import TrainingConfig


@dataclass(frozen=True)
class Trial:
    """One record to be: a defense at one seed on all data sets under all attacks.

    Attributes:
        train: The training.
        clean: Clean rankings by data set; the first is the one that was trained on.
        attacks: Attacks by data set; those that differ in the attack seed alone stand together.
        choices: What was declared of the encoder beside what may have been meant, on that data set.
        probe: The probe for sanity flags, on the data set that was trained on.
        canaries: The canary of each attack, by name.
    """

    train: TrainCell
    clean: dict[str, CleanCell]
    attacks: dict[str, tuple[AttackCell, ...]]
    choices: ChoicesCell | None
    probe: ProbeCell | None
    canaries: dict[str, CanaryCell]

    @property
    def cells(self) -> tuple[Cell, ...]:
        """All cells of the trial, each after those that it needs."""
        evaluation = [(clean, *self.attacks[name]) for name, clean in self.clean.items()]
        ends = (
            self.train,
            *((self.choices,) if self.choices else ()),
            *self.canaries.values(),
            *(cell for cells in evaluation for cell in cells),
            *((self.probe,) if self.probe else ()),
        )
        ordered = [cell for end in ends for cell in (*end.ancestors(), end)]
        return tuple({cell.fingerprint: cell for cell in ordered}.values())


@dataclass(frozen=True)
class Plan:
    """What a run computes.

    Attributes:
        cells: Every cell once, each after those that it needs.
        trials: The records that they make.
        protocol: Fingerprint of data, attacks, budgets and scoring; records that differ in it
            are not comparable.
    """

    cells: tuple[Cell, ...]
    trials: tuple[Trial, ...]
    protocol: str

    def record_id(self, trial: Trial) -> str:
        """Return the id of the record of a trial: what was computed, and by which protocol."""
        cells = [cell.fingerprint for cell in trial.cells]
        return fingerprint({"protocol": self.protocol, "cells": cells})


def make_plan(
    config: RunConfig,
    choice: Choice,
    manifests: Mapping[str, str],
    query_counts: Mapping[str, int] = MappingProxyType({}),
    without_cameras: Sequence[str] = (),
) -> Plan:
    """Lay out the cells of a run.

    Args:
        config: The configuration.
        choice: What its names stand for.
        manifests: Hash of the content of each data set, by name.
        query_counts: Queries of each data set, where that is known; where no more are there than
            are asked for, the cells are those of all queries.
        without_cameras: Data sets of which nobody knows the cameras.
    """
    queries = {n: queries_content(config.queries, query_counts.get(n)) for n in choice.datasets}
    planner = _Planner(config, choice, manifests, queries)
    cells: dict[str, Cell] = {}
    trials = []
    for seed in config.seed:
        for name in choice.defenses:
            for stand_in in choice.stand_ins[name]:
                trials.append(planner.trial(name, seed, stand_in))
    for trial in trials:
        for cell in trial.cells:
            cells.setdefault(cell.fingerprint, cell)
    return Plan(tuple(cells.values()), tuple(trials), planner.protocol(without_cameras))


class _Planner:
    """Builds the cells of trials."""

    def __init__(
        self,
        config: RunConfig,
        choice: Choice,
        manifests: Mapping[str, str],
        queries: Mapping[str, dict[str, object]],
    ) -> None:
        self._config, self._choice, self._manifests = config, choice, manifests
        self._queries = queries

    def trial(self, name: str, seed: int, stand_in: str | None) -> Trial:
        """Return the trial of a defense at a seed, with what stands in for its inner attacks."""
        config, choice = self._config, self._choice
        training = config.training.against(stand_in)
        train = self._train(name, choice.defenses[name], config.dataset, seed, training)
        clean = {d: self._clean(train, d) for d in choice.datasets}
        attacks = {
            dataset: tuple(
                self._attack(cell, attack, eps_255, attack_seed)
                for eps_255 in config.eps
                for attack in choice.attacks
                for attack_seed in self._attack_seeds(train, attack)
            )
            for dataset, cell in clean.items()
        }
        checked = config.evaluation.checks
        tried = [attack for attack in choice.attacks if checked and not attack.is_control]
        probe = ProbeCell.build(clean[config.dataset], config.attack_seed[0], config.evaluation)
        return Trial(
            train=train,
            clean=clean,
            attacks=attacks,
            choices=ChoicesCell.build(clean[config.dataset]) if checked else None,
            probe=probe if checked else None,
            canaries={attack.name: CanaryCell.build(attack) for attack in tried},
        )

    def protocol(self, without_cameras: Sequence[str]) -> str:
        """Return the fingerprint of what all records of the run have in common."""
        wanted = dict.fromkeys(s for attack in self._choice.attacks for s in attack.surrogates)
        return protocol_fingerprint(
            self._config,
            self._choice.attacks,
            {name: self._manifests[name] for name in self._choice.datasets},
            tuple(map(self._surrogate, wanted)),
            next((chosen for chosen in self._queries.values() if chosen), {}),
            without_cameras,
        )

    def _train(
        self, name: str, plugin: Defense, dataset: str, seed: int, training: TrainingConfig
    ) -> TrainCell:
        config, choice = self._config, self._choice
        return TrainCell.build(
            name,
            plugin,
            config=config.model_copy(update={"dataset": dataset, "training": training}),
            backbone=choice.backbone,
            manifest=self._manifests[dataset],
            seed=seed,
            prerequisites=tuple(
                self._train(needed, choice.prerequisites[needed], dataset, seed, training)
                for needed in plugin.prerequisites()
            ),
        )

    def _clean(self, train: TrainCell, dataset: str) -> CleanCell:
        manifest, queries = self._manifests[dataset], self._queries[dataset]
        return CleanCell.build(train, dataset, manifest, self._config.evaluation, queries)

    def _attack_seeds(self, train: TrainCell, attack: ChosenAttack) -> list[int]:
        """Return the attack seeds that an attack is measured with: one, if nothing is random."""
        seen = [train.plugin, *(self._choice.prerequisites[s.defense] for s in attack.surrogates)]
        varies = (
            attack.plugin.is_random(attack.config)
            or attack.plugin.needs_preparation
            or any(defense.adaptive.random for defense in seen)
            or self._config.scenario.is_drawn
        )
        return self._config.attack_seed if varies else self._config.attack_seed[:1]

    def _attack(
        self, clean: CleanCell, attack: ChosenAttack, eps_255: float, attack_seed: int
    ) -> AttackCell:
        config = self._config
        views = tuple(map(self._surrogate, attack.surrogates))
        prepared = self._prepared(clean, attack, eps_255, attack_seed, views)
        surrogates = tuple(self._clean(view, clean.dataset) for view in views)
        return AttackCell.build(
            clean,
            attack,
            eps_255,
            attack_seed,
            config,
            surrogates=surrogates,
            prepared=prepared,
            precision=self._precision(clean, attack, eps_255, surrogates, views),
        )

    def _precision(
        self,
        clean: CleanCell,
        attack: ChosenAttack,
        eps_255: float,
        surrogates: tuple[CleanCell, ...],
        views: tuple[TrainCell, ...],
    ) -> PrecisionCell | None:
        """Return what looks whether TF32 is enough, where it is to be used.

        It is one cell for all attack seeds; the control asks no encoder for a gradient.
        """
        if self._config.evaluation.crafting != "tf32" or attack.is_control:
            return None
        first = self._config.attack_seed[0]
        prepared = self._prepared(clean, attack, eps_255, first, views)
        return PrecisionCell.build(
            clean, attack, eps_255, self._config, surrogates=surrogates, prepared=prepared
        )

    def _prepared(
        self,
        clean: CleanCell,
        attack: ChosenAttack,
        eps_255: float,
        attack_seed: int,
        views: tuple[TrainCell, ...],
    ) -> PrepareCell | None:
        if not attack.plugin.needs_preparation:
            return None
        return PrepareCell.build(
            clean.train, views, attack, eps_255, attack_seed, self._config.evaluation
        )

    def _surrogate(self, surrogate: Surrogate) -> TrainCell:
        dataset = self._config.dataset
        if surrogate.data == "other":
            assert self._choice.other is not None
            dataset = self._choice.other[0]
        plugin = self._choice.prerequisites[surrogate.defense]
        recipe = self._config.surrogate_training or self._config.training
        seed = SURROGATE_SEEDS[surrogate.member]  # no seed that a user gives to a target
        return self._train(surrogate.defense, plugin, dataset, seed, recipe)
