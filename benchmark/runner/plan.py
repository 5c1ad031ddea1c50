"""The plan of a run: its cells in the order in which they can be computed, and its records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from benchmark.config.schema import RunConfig
from benchmark.core.fingerprint import fingerprint
from benchmark.runner.cells import (
    PROTOCOL_NAME,
    PROTOCOL_VERSION,
    AttackCell,
    Cell,
    CleanCell,
    TrainCell,
    attack_cell,
    attack_content,
    clean_cell,
    train_cell,
)
from benchmark.runner.choice import Choice


@dataclass(frozen=True)
class Trial:
    """One record to be: a defense at one seed on all data sets under all attacks.

    Attributes:
        train: The training.
        clean: Clean rankings by data set; the first is the one that was trained on.
        attacks: Attacks by data set.
    """

    train: TrainCell
    clean: dict[str, CleanCell]
    attacks: dict[str, tuple[AttackCell, ...]]

    @property
    def cells(self) -> tuple[Cell, ...]:
        """All cells of the trial, in order."""
        evaluation = [(clean, *self.attacks[name]) for name, clean in self.clean.items()]
        return (self.train, *(cell for cells in evaluation for cell in cells))


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


def make_plan(config: RunConfig, choice: Choice, manifests: Mapping[str, str]) -> Plan:
    """Lay out the cells of a run.

    Args:
        config: The configuration.
        choice: What its names stand for.
        manifests: Hash of the content of each data set, by name.
    """
    cells: dict[str, Cell] = {}
    trials = []
    for seed in config.seed:
        needed = _prerequisite_cells(config, choice, manifests, seed)
        for name, plugin in choice.defenses.items():
            train = train_cell(
                name,
                plugin,
                config=config,
                backbone=choice.backbone,
                manifest=manifests[config.dataset],
                seed=seed,
                prerequisites=tuple(needed[p] for p in plugin.prerequisites()),
            )
            trial = _trial(config, choice, manifests, train)
            trials.append(trial)
            _add_needs(cells, train)
            cells.update((cell.fingerprint, cell) for cell in trial.cells)
    return Plan(tuple(cells.values()), tuple(trials), _protocol(config, choice, manifests))


def _prerequisite_cells(
    config: RunConfig, choice: Choice, manifests: Mapping[str, str], seed: int
) -> dict[str, TrainCell]:
    cells: dict[str, TrainCell] = {}
    for name, plugin in choice.prerequisites.items():
        cells[name] = train_cell(
            name,
            plugin,
            config=config,
            backbone=choice.backbone,
            manifest=manifests[config.dataset],
            seed=seed,
            prerequisites=tuple(cells[p] for p in plugin.prerequisites()),
        )
    return cells


def _add_needs(cells: dict[str, Cell], train: TrainCell) -> None:
    for required in train.prerequisites:
        _add_needs(cells, required)
        cells.setdefault(required.fingerprint, required)


def _trial(
    config: RunConfig, choice: Choice, manifests: Mapping[str, str], train: TrainCell
) -> Trial:
    clean = {name: clean_cell(train, name, manifests[name]) for name in choice.datasets}
    attacks = {
        name: tuple(
            attack_cell(cell, attack, eps_255, config.attack_seed)
            for eps_255 in config.eps
            for attack in choice.attacks
        )
        for name, cell in clean.items()
    }
    return Trial(train, clean, attacks)


def _protocol(config: RunConfig, choice: Choice, manifests: Mapping[str, str]) -> str:
    attacks = [attack_content(attack) for attack in choice.attacks]
    return fingerprint(
        {
            "name": PROTOCOL_NAME,
            "version": PROTOCOL_VERSION,
            "datasets": [{"name": n, "manifest_sha256": manifests[n]} for n in choice.datasets],
            "attacks": sorted(attacks, key=lambda attack: str(attack["name"])),
            "eps_255": sorted(config.eps),
            "attack_seed": config.attack_seed,
        }
    )
