"""``--set KEY=VALUE``: dotted keys into the configuration and into the options of plugins."""

from __future__ import annotations

from collections.abc import Iterable, MutableMapping
from dataclasses import dataclass
from typing import Any

import yaml

from benchmark.config.explain import unknown_key
from benchmark.config.yaml_text import read_yaml, yaml_problem
from benchmark.core.errors import UsageError, unknown_name
from benchmark.core.parametrised import base_name
from benchmark.core.registry import Registry

PLUGIN_SECTIONS = ("defense", "attack")


@dataclass(frozen=True)
class Assignment:
    """One ``KEY=VALUE``.

    Attributes:
        path: The parts of the dotted key.
        value: The value, parsed as YAML.
    """

    path: tuple[str, ...]
    value: Any

    @property
    def key(self) -> str:
        """The dotted key."""
        return ".".join(self.path)

    @property
    def is_for_plugins(self) -> bool:
        """Whether it sets options of defenses or attacks."""
        return len(self.path) > 1 and self.path[0] in PLUGIN_SECTIONS


def parse_assignment(text: str) -> Assignment:
    """Parse ``KEY=VALUE``.

    Raises:
        UsageError: There is no ``=``, the key is empty, or the value is not YAML.
    """
    key, equals, value = text.partition("=")
    path = tuple(key.strip().split("."))
    if not equals or not all(path):
        raise UsageError(f"--set {text!r} is not KEY=VALUE", "write it as --set training.epochs=20")
    try:
        return Assignment(path, read_yaml(value))
    except yaml.YAMLError as error:
        raise UsageError(
            f"--set {text!r}: the value is not valid YAML: {yaml_problem(error)[0]}",
            "mend it, or put it into quotes",
        ) from error


def assign(target: MutableMapping[str, Any], path: Iterable[str], value: Any) -> None:
    """Set a value in nested mappings, making sections as needed.

    Raises:
        UsageError: A part of the path is a plain value.
    """
    *sections, last = path
    place = target
    for name in sections:
        inner = place.get(name)
        if inner is None:
            inner = place[name] = {}
        if not isinstance(inner, MutableMapping):
            raise UsageError(
                f"{'.'.join([*sections, last])!r}: {name!r} is a value, not a section",
                f"set {name} itself",
            )
        place = inner
    place[last] = value


def plugin_options(
    assignment: Assignment, registry: Registry[Any], chosen: list[str]
) -> list[tuple[str, tuple[str, ...]]]:
    """Return the plugins that an assignment is for, and the path into the options of each.

    ``defense.NAME.KEY`` is for one plugin, or for all that NAME mounts; ``defense.KEY`` for every
    chosen one that has the key.

    Raises:
        UsageError: The plugin was not chosen, or no chosen plugin has the key.
    """
    section, first, *rest = assignment.path
    if registry.has(first) and rest:
        named = [name for name in chosen if first in (name, base_name(name))]
        if not named:
            raise UsageError(
                f"--set {assignment.key}: {section} {first!r} is not part of this run",
                f"add --{section} {first}, or drop the option",
            )
        return [(name, tuple(rest)) for name in named]
    known = {name: sorted(registry.get(name).Config.model_fields) for name in chosen}
    holders = [name for name, keys in known.items() if first in keys]
    if holders:
        return [(name, (first, *rest)) for name in holders]
    if rest and not registry.has(first) and "-" in first:
        raise unknown_name(registry.kind, first, registry.names())
    keys = sorted({key for keys in known.values() for key in keys})
    names = ", ".join(chosen)
    raise unknown_key(f"--set: {names}: no {section} of this run has the key", first, first, keys)
