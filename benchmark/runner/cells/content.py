"""What identifies plugins in the content of a cell."""

from __future__ import annotations

from pydantic import BaseModel

from benchmark.config.schema import EvaluationConfig
from benchmark.core.defense import Defense
from benchmark.core.plugin import Plugin, options_of
from benchmark.runner.choice import ChosenAttack


def plugin_content(plugin: Plugin | type[Plugin], config: BaseModel) -> dict[str, object]:
    """Return what identifies a plugin: name, options, and what its sources do."""
    behaviour = plugin.behaviour()
    content: dict[str, object] = {
        "name": plugin.name,
        "config": options_of(config),
        "behaviour": behaviour.id,
    }
    return content | ({"unknown_sources": list(behaviour.unknown)} if behaviour.unknown else {})


def attack_content(attack: ChosenAttack) -> dict[str, object]:
    """Return what identifies an attack."""
    return plugin_content(attack.plugin, attack.config)


def draws_content(target: Defense, evaluation: EvaluationConfig) -> dict[str, object]:
    """Return the draws of an attack on a random encoder; other targets have none to count."""
    return {"eot_samples": evaluation.eot_samples} if target.adaptive.random else {}
