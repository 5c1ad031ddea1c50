"""What identifies plugins, draws and chosen queries in the content of a cell."""

from __future__ import annotations

from pydantic import BaseModel

from benchmark.config.schema import EvaluationConfig
from benchmark.core.defense import Defense
from benchmark.core.plugin import Plugin, options_of
from benchmark.evaluation.query_choice import QUERY_CHOICE_VERSION
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


def queries_content(wanted: int | None, there_are: int | None) -> dict[str, object]:
    """Return how queries are chosen; nothing where all are taken, whatever was asked for.

    Args:
        wanted: How many are asked for; None: all.
        there_are: How many there are, if that is known.
    """
    if wanted is None or (there_are is not None and wanted >= there_are):
        return {}
    return {"queries": {"chosen": wanted, "version": QUERY_CHOICE_VERSION}}
