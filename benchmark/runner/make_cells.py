"""Builds the cells of a run; what a fingerprint covers is decided here."""

from __future__ import annotations

from pydantic import BaseModel

from benchmark.checks.canary import canary_content
from benchmark.checks.probe import PROBE_VERSION
from benchmark.config.schema import EvaluationConfig, RunConfig
from benchmark.core.defense import Defense
from benchmark.core.plugin import Plugin, options_of, words_of
from benchmark.core.registry import ATTACKS
from benchmark.core.surrogate import Surrogate
from benchmark.core.threat import Scenario
from benchmark.core.training_seeds import SURROGATE_SEEDS
from benchmark.models.backbone import Backbone
from benchmark.runner.cells import (
    AttackCell,
    CanaryCell,
    CleanCell,
    PrepareCell,
    ProbeCell,
    TrainCell,
)
from benchmark.runner.choice import ChosenAttack
from benchmark.training.config import TRAINING_VERSION, TrainingConfig
from benchmark.training.selection import SELECTION_ATTACK

PROTOCOL_NAME = "white-box-query"
PROTOCOL_VERSION = 1
"""Raised when a change of ranking, of the attack loop or of the encoder changes results."""

MEASUREMENT_VERSION = 2
"""Raised when what is kept of an attacked data set changes, and not its ranking."""


def train_cell(
    name: str,
    plugin: Defense,
    *,
    config: RunConfig,
    backbone: type[Backbone],
    manifest: str,
    seed: int,
    prerequisites: tuple[TrainCell, ...],
) -> TrainCell:
    """Build the cell that trains a defense; `manifest` is the hash of the training data.

    Backbone, recipe and data are no part of one that trains nothing.
    """
    training = config.training.for_training_against(plugin.trained_against)
    data = {"name": config.dataset, "manifest_sha256": manifest}
    content: dict[str, object] = {
        "kind": "train",
        "version": TRAINING_VERSION,
        "defense": _plugin_content(plugin, plugin.config),
        "image_size": list(config.image_size),
        "seed": seed,
        "prerequisites": {cell.defense: cell.fingerprint for cell in prerequisites},
    }
    if plugin.trains:
        content |= {
            "backbone": _plugin_content(backbone, config.backbone),
            "training": options_of(training),
            "attacks": _attacks_within(plugin, training),
            "dataset": data,
        }
    return TrainCell(
        kind="train",
        defense=name,
        seed=seed,
        dataset=config.dataset,
        content=content,
        parents=prerequisites,
        plugin=plugin,
        training=training,
        prerequisites=prerequisites,
        data=data,
    )


def clean_cell(
    train: TrainCell, dataset: str, manifest: str, evaluation: EvaluationConfig
) -> CleanCell:
    """Build the cell that ranks the clean images of a data set.

    A random encoder draws for a batch at once, so that for it the size of batches counts.
    """
    content: dict[str, object] = {
        "kind": "clean",
        "version": PROTOCOL_VERSION,
        "train": train.fingerprint,
        "dataset": {"name": dataset, "manifest_sha256": manifest},
    }
    if train.plugin.adaptive.random:
        content["batch"] = evaluation.batch
    return CleanCell("clean", train.defense, train.seed, dataset, content, (train,), train)


def prepare_cell(
    target: TrainCell,
    surrogates: tuple[TrainCell, ...],
    attack: ChosenAttack,
    eps_255: float,
    attack_seed: int,
    evaluation: EvaluationConfig,
) -> PrepareCell:
    """Build the cell that trains an attack on the training images of its target."""
    views = surrogates or (target,)
    content: dict[str, object] = {
        "kind": "prepare",
        "version": PROTOCOL_VERSION,
        "views": [view.fingerprint for view in views],
        "dataset": target.data,
        "attack": attack_content(attack),
        "eps_255": eps_255,
        "attack_seed": attack_seed,
        **_draws(target, evaluation),
    }
    return PrepareCell(
        kind="prepare",
        defense=target.defense,
        seed=target.seed,
        dataset=target.dataset,
        content=content,
        parents=views,
        views=views,
        attack=attack,
        eps_255=eps_255,
    )


def attack_cell(
    clean: CleanCell,
    attack: ChosenAttack,
    eps_255: float,
    attack_seed: int,
    *,
    evaluation: EvaluationConfig,
    surrogates: tuple[CleanCell, ...] = (),
    prepared: PrepareCell | None = None,
    scenario: Scenario = Scenario(),  # noqa: B008 (frozen)
) -> AttackCell:
    """Build the cell that attacks images of a data set."""
    content: dict[str, object] = {
        "kind": "attack",
        "version": PROTOCOL_VERSION,
        "measurement": MEASUREMENT_VERSION,
        "clean": clean.fingerprint,
        "attack": attack_content(attack),
        "eps_255": eps_255,
        "attack_seed": attack_seed,
        **_draws(clean.train, evaluation),
    }
    if clean.train.plugin.adaptive.random:
        content["measured_with"] = "the same noise for every attack"
    if surrogates:
        content["surrogates"] = [cell.fingerprint for cell in surrogates]
    if prepared is not None:
        content["prepared"] = prepared.fingerprint
    if not scenario.is_default:
        content["scenario"] = scenario.model_dump(mode="json")
    parents = (clean.train, clean, *surrogates, *((prepared,) if prepared else ()))
    return AttackCell(
        kind="attack",
        defense=clean.defense,
        seed=clean.seed,
        dataset=clean.dataset,
        content=content,
        parents=parents,
        clean=clean,
        surrogates=surrogates,
        prepared=prepared,
        attack=attack,
        eps_255=eps_255,
    )


def probe_cell(clean: CleanCell, attack_seed: int, evaluation: EvaluationConfig) -> ProbeCell:
    """Build the cell that probes an encoder on a data set."""
    content: dict[str, object] = {
        "kind": "probe",
        "version": PROBE_VERSION,
        "clean": clean.fingerprint,
        "attack_seed": attack_seed,
        **_draws(clean.train, evaluation),
    }
    parents = (clean.train, clean)
    return ProbeCell("probe", clean.defense, clean.seed, clean.dataset, content, parents, clean)


def canary_cell(attack: ChosenAttack) -> CanaryCell:
    """Build the cell that checks the strength of an attack; it is the same for all defenses."""
    content: dict[str, object] = {
        "kind": "canary",
        "version": PROTOCOL_VERSION,
        "attack": attack_content(attack),
        "canary": canary_content(),
    }
    return CanaryCell("canary", "canary", 0, "canary", content, (), attack)


def attack_content(attack: ChosenAttack) -> dict[str, object]:
    """Return what identifies an attack."""
    return _plugin_content(attack.plugin, attack.config)


def surrogate_seed(surrogate: Surrogate) -> int:
    """Return the training seed of a surrogate: no seed that a user gives to a target."""
    return SURROGATE_SEEDS[surrogate.member]


def _draws(target: TrainCell, evaluation: EvaluationConfig) -> dict[str, object]:
    """Return the draws of an attack on a random encoder; other targets have none to count."""
    return {"eot_samples": evaluation.eot_samples} if target.plugin.adaptive.random else {}


def _plugin_content(plugin: Plugin | type[Plugin], config: BaseModel) -> dict[str, object]:
    """Return what identifies a plugin: name, options, and what its sources do."""
    behaviour = plugin.behaviour()
    content: dict[str, object] = {
        "name": plugin.name,
        "config": options_of(config),
        "behaviour": behaviour.id,
    }
    return content | ({"unknown_sources": list(behaviour.unknown)} if behaviour.unknown else {})


def _attacks_within(plugin: Defense, training: TrainingConfig) -> dict[str, str]:
    """Return the behaviours of the attacks that a training uses, or names anywhere in its code."""
    stand_in = training.inner.attack
    asked = {stand_in} if stand_in else {SELECTION_ATTACK, *plugin.trained_against}
    named = plugin.behaviour().words | set(words_of(options_of(plugin.config)))
    wanted = {name for name in asked if ATTACKS.has(name)} | named.intersection(ATTACKS.names())
    return {name: ATTACKS.get(name).behaviour().id for name in sorted(wanted)}
