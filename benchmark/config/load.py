"""Build the configuration of a run: preset, then YAML file, then options, then ``--set``."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

import yaml
from pydantic import ValidationError

from benchmark.config.assignments import (
    PLUGIN_SECTIONS,
    Assignment,
    assign,
    parse_assignment,
    plugin_options,
)
from benchmark.config.attack_groups import expand_attacks
from benchmark.config.explain import explain
from benchmark.config.preset_choice import preset_of
from benchmark.config.presets import read_preset
from benchmark.config.schema import RunConfig
from benchmark.core.registry import ATTACKS, DEFENSES, load_plugin_file

logger = logging.getLogger(__name__)


def load_run_config(options: Mapping[str, Any], assignments: Sequence[str] = ()) -> RunConfig:
    """Return the validated configuration, with plugin files imported.

    Args:
        options: Options of the command line by key; those that are None were not given.
        assignments: ``KEY=VALUE`` texts; they win over everything else.

    Raises:
        UsageError: An unknown key or name, a wrong type, a value out of range, a missing file.
        PluginError: A plugin file raises when imported.
    """
    parsed = [parse_assignment(text) for text in assignments]
    given = {key: value for key, value in options.items() if value is not None}
    raw = _layers(given, [one for one in parsed if not one.is_for_plugins])
    config = validate(raw)
    for path in config.plugin:
        load_plugin_file(path)
    for assignment in parsed:
        if assignment.is_for_plugins:
            _assign_to_plugins(raw, assignment, config)
    config = validate(raw)
    _warn_of_small_budgets(config)
    return config


def validate(raw: Mapping[str, Any]) -> RunConfig:
    """Return the configuration that `raw` spells out.

    Raises:
        UsageError: An unknown key, a wrong type or a value out of range.
    """
    try:
        return RunConfig.model_validate(raw)
    except ValidationError as error:
        raise explain(error, RunConfig) from error


def to_yaml(config: RunConfig) -> str:
    """Return the resolved configuration as YAML; it can be run again with ``--preset FILE``."""
    content = config.model_dump(mode="json", exclude={"preset", "fresh", "workers"})
    head = f"# Resolved configuration of a run that started from the preset {config.preset!r}.\n"
    return head + yaml.safe_dump(content, sort_keys=False, allow_unicode=True)


def _layers(given: dict[str, Any], assignments: Sequence[Assignment]) -> dict[str, Any]:
    assigned = {one.path[0]: one.value for one in assignments if len(one.path) == 1}
    name = preset_of({**given, **assigned})
    raw = {**deepcopy(read_preset(name)), **deepcopy(given)}
    if isinstance(raw.get("encoder"), str):
        raw["encoder"] = {"spec": raw["encoder"]}
    for assignment in assignments:
        assign(raw, assignment.path, assignment.value)
    raw["preset"] = name
    return raw


def _warn_of_small_budgets(config: RunConfig) -> None:
    small = [f"{eps_255:g}" for eps_255 in config.eps if 0 < eps_255 < 1]
    if small:
        logger.warning(
            "eps %s: the unit is 1/255, and images are rounded to 8 bits: below 1 no pixel changes",
            ", ".join(small),
        )


def _assign_to_plugins(raw: dict[str, Any], assignment: Assignment, config: RunConfig) -> None:
    section = assignment.path[0]
    assert section in PLUGIN_SECTIONS
    if section == "defense":
        targets = plugin_options(assignment, DEFENSES, config.defense)
    else:
        names = expand_attacks(config.attack, ATTACKS.names())
        targets = plugin_options(assignment, ATTACKS, names)
    for name, path in targets:
        assign(raw, (f"{section}_config", name, *path), assignment.value)
