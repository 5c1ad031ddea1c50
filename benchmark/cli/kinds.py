"""The kinds of things that have names, as the command line spells them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmark.core.registry import Registry

PLUGIN_KINDS = ("defenses", "attacks", "datasets", "backbones", "experiments")
KINDS = (*PLUGIN_KINDS, "presets", "zoo")


def kind_named(name: str) -> str:
    """Return the kind behind its plural or singular.

    Raises:
        UsageError: There is no such kind.
    """
    from benchmark.core.errors import unknown_name

    for kind in KINDS:
        if name in (kind, kind.removesuffix("s"), "data-sets" if kind == "datasets" else kind):
            return kind
    raise unknown_name("kind", name, KINDS)


def registry_of(kind: str) -> Registry[Any]:
    """Return the registry of a kind of plugin."""
    from benchmark.core import registry

    registries: dict[str, Registry[Any]] = {
        "defenses": registry.DEFENSES,
        "attacks": registry.ATTACKS,
        "datasets": registry.DATASETS,
        "backbones": registry.BACKBONES,
        "experiments": registry.EXPERIMENTS,
    }
    return registries[kind]
