"""Robustness benchmark for person re-identification: the public names, imported when first used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from benchmark.core.own_packages import find_own_packages_first
from benchmark.core.thread_waiting import wait_briefly

wait_briefly()  # before anything imports torch

__version__ = "0.1.0"

_PUBLIC = {
    "Attack": "benchmark.core.attack",
    "AttackBatch": "benchmark.core.attack_batch",
    "Card": "benchmark.core.plugin",
    "Dataset": "benchmark.data.dataset",
    "Defense": "benchmark.core.defense",
    "Experiment": "benchmark.experiments.experiment",
    "Evaluation": "benchmark.api.evaluation",
    "IteratedAttack": "benchmark.core.iterated_attack",
    "PluginConfig": "benchmark.core.plugin",
    "Reference": "benchmark.core.references",
    "Run": "benchmark.api.run_defenses",
    "ThreatModel": "benchmark.core.threat",
    "attack": "benchmark.api.attack_images",
    "check_contract": "benchmark.api.check_contract",
    "evaluate": "benchmark.api.evaluate",
    "load_encoder": "benchmark.api.loading",
    "load_images": "benchmark.api.loading",
    "load_records": "benchmark.api.loading",
    "register_attack": "benchmark.core.registry",
    "register_backbone": "benchmark.core.registry",
    "register_dataset": "benchmark.core.registry",
    "register_defense": "benchmark.core.registry",
    "run": "benchmark.api.run_defenses",
    "register_experiment": "benchmark.core.registry",
}

__all__ = [*_PUBLIC, "__version__"]  # noqa: PLE0604

find_own_packages_first()

if TYPE_CHECKING:
    from benchmark.api.attack_images import attack as attack
    from benchmark.api.check_contract import check_contract as check_contract
    from benchmark.api.evaluate import evaluate as evaluate
    from benchmark.api.evaluation import Evaluation as Evaluation
    from benchmark.api.loading import load_encoder as load_encoder
    from benchmark.api.loading import load_images as load_images
    from benchmark.api.loading import load_records as load_records
    from benchmark.api.run_defenses import Run as Run
    from benchmark.api.run_defenses import run as run
    from benchmark.core.attack import Attack as Attack
    from benchmark.core.attack_batch import AttackBatch as AttackBatch
    from benchmark.core.defense import Defense as Defense
    from benchmark.core.iterated_attack import IteratedAttack as IteratedAttack
    from benchmark.core.plugin import Card as Card
    from benchmark.core.plugin import PluginConfig as PluginConfig
    from benchmark.core.references import Reference as Reference
    from benchmark.core.registry import (
        register_attack as register_attack,
    )
    from benchmark.core.registry import (
        register_backbone as register_backbone,
    )
    from benchmark.core.registry import (
        register_dataset as register_dataset,
    )
    from benchmark.core.registry import (
        register_defense as register_defense,
    )
    from benchmark.core.registry import (
        register_experiment as register_experiment,
    )
    from benchmark.core.threat import ThreatModel as ThreatModel
    from benchmark.data.dataset import Dataset as Dataset
    from benchmark.experiments.experiment import Experiment as Experiment


def __getattr__(name: str) -> Any:
    """Import a public name on first use, so that listing names never imports torch."""
    if name not in _PUBLIC:
        raise AttributeError(f"module 'benchmark' has no attribute {name!r}")
    return getattr(import_module(_PUBLIC[name]), name)
