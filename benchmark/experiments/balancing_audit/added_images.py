"""The images that a defense adds to the training split, without its training."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.core.defense import Defense
from benchmark.core.errors import UsageError
from benchmark.core.fingerprint import fingerprint
from benchmark.core.image_set import ImageSet
from benchmark.core.plugin import options_of
from benchmark.experiments.context import ExperimentContext, Kept
from benchmark.experiments.measurement import Trained
from benchmark.experiments.variant import Variant
from benchmark.runner.choice import choose
from benchmark.training.fit import Task

VERSION = 1
"""Raised when a change here changes what is kept."""


@dataclass(frozen=True)
class Added:
    """What the preparation of a defense added.

    Attributes:
        images: The added images alone.
        report: Figures of the preparation.
    """

    images: ImageSet
    report: dict[str, object]


def undefended_training(context: ExperimentContext, seed: int) -> Trained:
    """Return the undefended training at a seed.

    Raises:
        UsageError: It failed.
    """
    for trained in context.train([Variant("none", "none")], [seed]):
        return trained
    raise UsageError("the undefended encoder could not be trained", "see the messages above")


def added_images(context: ExperimentContext, variant: Variant, seed: int) -> Added:
    """Run `Defense.prepare` of a variant, or find what it added before.

    Raises:
        UsageError: The defense adds no image, or wants the encoder of another defense than `none`.
    """
    config = variant.configure(context.config)
    plugin = choose(config).defenses[variant.defense]
    if set(plugin.prerequisites()) - {"none"}:
        raise UsageError(
            f"{variant.defense} is prepared with the encoder of another defense",
            "audit a defense that needs no encoder but that of none",
        )
    undefended = undefended_training(context, seed)
    inputs = {
        "defense": variant.defense,
        "options": options_of(plugin.config),
        "behaviour": plugin.behaviour().id,
        "seed": seed,
    }
    # what is left unfinished goes on under the same name only with the same code
    work_dir = (
        context.home / f"work-{fingerprint({**inputs, 'train': undefended.cell.fingerprint})[:16]}"
    )

    def compute() -> Kept:
        if context.config.fresh:
            shutil.rmtree(work_dir, ignore_errors=True)
        work_dir.mkdir(parents=True, exist_ok=True)
        task = Task(
            train=context.split(config.dataset, "train"),
            backbone=config.backbone,
            training=config.training,
            image_size=config.image_size,
            policy=context.policy,
            seed=seed,
            progress=context.progress,
            work_dir=work_dir,
            encoders={"none": undefended.encoder},
        )
        images, report = _prepared(plugin, task)
        arrays: dict[str, NDArray[Any]] = {
            "images": images.pixels(slice(None)),
            "pids": images.pids,
            "camids": images.camids,
            "names": np.array(images.names, dtype=np.str_),
        }
        return Kept({"report": report}, arrays)

    kept = context.kept("added-images", VERSION, undefended, inputs, compute)
    shutil.rmtree(work_dir, ignore_errors=True)
    found = kept.arrays("images", "pids", "camids", "names")
    images = ImageSet(
        found["images"], found["pids"], found["camids"], tuple(found["names"].tolist())
    )
    if not len(images):
        raise UsageError(
            f"{variant.label} adds no image to the training split", "audit a defense that balances"
        )
    return Added(images, kept.outcome["report"])


def _prepared(plugin: Defense, task: Task) -> tuple[ImageSet, dict[str, object]]:
    preparation = plugin.prepare(task)
    real = set(task.train.names)
    rows = [row for row, name in enumerate(preparation.train.names) if name not in real]
    return preparation.train.subset(rows), dict(preparation.report)
