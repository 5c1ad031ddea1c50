"""A defense with settings: one row of a table, and the run configuration behind it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from benchmark.config.assignments import Assignment, assign, plugin_options
from benchmark.config.attack_groups import expand_attacks
from benchmark.config.load import validate
from benchmark.config.schema import RunConfig
from benchmark.core.registry import ATTACKS, DEFENSES


@dataclass(frozen=True)
class Variant:
    """A defense with settings.

    Attributes:
        label: Name of the row.
        defense: Registry name.
        settings: Values by key, spelled as in ``--set``: ``defense.fnes``, ``training.epochs``.
    """

    label: str
    defense: str
    settings: Mapping[str, Any] = field(default_factory=dict)

    def configure(self, config: RunConfig) -> RunConfig:
        """Return the configuration of a run of this defense alone, with the settings.

        A label of the run is added to the name of the row.

        Raises:
            UsageError: An unknown key or a wrong value.
        """
        raw = config.model_dump()
        raw["defense"] = [self.defense]
        raw["label"] = f"{self.label}, {config.label}" if config.label else None
        for key, value in self.settings.items():
            assignment = Assignment(tuple(key.split(".")), value)
            for path in _paths(assignment, self.defense, config):
                assign(raw, path, value)
        return validate(raw)


def _paths(assignment: Assignment, defense: str, config: RunConfig) -> list[tuple[str, ...]]:
    if not assignment.is_for_plugins:
        return [assignment.path]
    section = assignment.path[0]
    registry, chosen = DEFENSES, [defense]
    if section == "attack":
        registry, chosen = ATTACKS, expand_attacks(config.attack, ATTACKS.names())
    targets = plugin_options(assignment, registry, chosen)
    return [(f"{section}_config", name, *rest) for name, rest in targets]
