"""The names of the experiments; listing them imports none of them, and no torch."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

from benchmark.core.errors import unknown_name

if TYPE_CHECKING:
    from benchmark.experiments.experiment import Experiment


class Entry(NamedTuple):
    """Where an experiment is, and what it asks.

    Attributes:
        target: ``module:class``.
        summary: One line for lists.
    """

    target: str
    summary: str


EXPERIMENTS: dict[str, Entry] = {
    "main": Entry(
        "benchmark.experiments.main_table.main_table:MainTable",
        "DDID and its baselines under FNA, SMA and I-FGSM of 16 steps (table 2)",
    ),
    "ablation": Entry(
        "benchmark.experiments.ablation.ablation:Ablation",
        "the modules of DDID one by one on its baseline, and all but one (table 3)",
    ),
    "cross-dataset": Entry(
        "benchmark.experiments.cross_dataset.cross_dataset:CrossDataset",
        "train on one data set, attack on the other, both ways (table 5)",
    ),
    "classifier-probe": Entry(
        "benchmark.experiments.classifier_probe.classifier_probe:ClassifierProbe",
        "how much robustness sits in the identity classifier that is dropped (table 4)",
    ),
    "balancing-audit": Entry(
        "benchmark.experiments.balancing_audit.balancing_audit:BalancingAudit",
        "are the images that balance the training split right, different and new",
    ),
    "bias-audit": Entry(
        "benchmark.experiments.bias_audit.bias_audit:BiasAudit",
        "how unevenly identities fare, before and after balancing (table 1)",
    ),
    "detection": Entry(
        "benchmark.experiments.detection.detection:Detection",
        "can attacked queries be told, also those of attackers that know the detector (MEAAD)",
    ),
    "attention": Entry(
        "benchmark.experiments.attention.attention:Attention",
        "where encoders look, clean and attacked: maps, and their overlap",
    ),
    "embedding-map": Entry(
        "benchmark.experiments.embedding_map.embedding_map:EmbeddingMap",
        "where attacks move embeddings: t-SNE of some identities, and distances",
    ),
    "tune": Entry(
        "benchmark.experiments.tune.tune:Tune",
        "hyperparameter search on held-out training identities; test splits are closed",
    ),
    "certificate": Entry(
        "benchmark.experiments.certificate.certificate:Certificate",
        "certified Rank-1 of smoothed encoders at L2 radii around the query",
    ),
}
"""All experiments by name; a new one is a line here and a file beside this one."""


def experiment_names() -> list[str]:
    """Return all names in order, without importing any experiment."""
    return sorted(EXPERIMENTS)


def experiment_named(name: str) -> type[Experiment]:
    """Return the class behind a name.

    Raises:
        UsageError: No experiment has this name; the closest names are given.
    """
    entry = EXPERIMENTS.get(name)
    if entry is None:
        raise unknown_name("experiment", name, EXPERIMENTS)
    module, _, attribute = entry.target.partition(":")
    found: type[Experiment] = getattr(import_module(module), attribute)
    found.name = name
    return found
