"""Cost of one training step of each defense beside that of metric adversarial training."""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import cast

import numpy as np

from benchmark.core.defense import Defense
from benchmark.core.device import choose_device
from benchmark.core.image_set import ImageSet
from benchmark.core.progress import SilentProgress
from benchmark.core.registry import DEFENSES
from benchmark.models.backbone import BackboneConfig
from benchmark.training.config import AugmentConfig, InnerConfig, TrainingConfig
from benchmark.training.loop import TrainingLoop
from benchmark.training.state import TrainingState

BASELINE = "metric-at"

_WEIGHT = {"inner_forward": 1, "inner_backward": 1, "outer": 3}
"""A pass forward, one backward to the images alone, and one forward and backward to the weights,
in passes forward: each of the two gradients of a layer costs about as much as the layer."""

VARIANTS: Mapping[str, tuple[str, dict[str, object]]] = {
    "ddid, second order": ("ddid", {"second_order": True}),
}
"""Defenses with other than their default options that are timed as well."""


def bench_training_step(
    names: Collection[str] = (),
    image_size: tuple[int, int] = (64, 32),
    width: int = 16,
    inner_steps: int = 3,
    batches: int = 2,
    repeats: int = 5,
) -> dict[str, dict[str, float]]:
    """Time the training step of every defense (small-resnet, preset `embedded`'s batch).

    The defenses take turns, so that other load on the machine hits all, and the fastest repetition
    of each counts. Preparation, validation and defenses without a training step of their own are
    left out. A defense's least cost, ``least ratio``, is counted from the images that went through
    the model, with an outer pass as three and others as one; what is above it, is overhead.

    Args:
        names: Defenses, or names of variants; empty: all that train.
        image_size: (H, W).
        width: Width of the encoder.
        inner_steps: Gradient steps of the inner attack.
        batches: Steps timed together.
        repeats: Repetitions.

    Returns:
        ``seconds`` of a step, the ``ratio`` to metric adversarial training's and the ``least
        ratio``; the target for `ddid` is 1.60 at most.
    """
    train = noise_images(batches, image_size)
    recipe = one_epoch(inner_steps)
    backbone = BackboneConfig(width=width)
    chosen = list(dict.fromkeys([BASELINE, *(names or _all_that_train())]))
    seconds: dict[str, list[float]] = {name: [] for name in chosen}
    passes: dict[str, float] = {}
    for _ in range(repeats + 1):  # the first repetition warms up
        for name in chosen:
            state = train_epoch(build(name), train, backbone, recipe)
            seconds[name].append(state.seconds / batches)
            passes[name] = sum(_WEIGHT[kind] * count for kind, count in state.passes.items())
    best = {name: min(found[1:]) for name, found in seconds.items()}
    return {
        name: {
            "seconds": best[name],
            "ratio": best[name] / best[BASELINE],
            "least ratio": passes[name] / passes[BASELINE],
        }
        for name in chosen
    }


def _all_that_train() -> list[str]:
    own = [n for n in DEFENSES.names() if _plugin(n).training_step is not Defense.training_step]
    return [*own, *VARIANTS]


def _plugin(name: str) -> type[Defense]:
    return cast(type[Defense], DEFENSES.get(name))


def build(name: str) -> Defense:
    """Return a defense, or a variant, by its name."""
    registered, options = VARIANTS.get(name, (name, {}))
    plugin = _plugin(registered)
    return plugin(plugin.parse_config(options))


def one_epoch(inner_steps: int = 3) -> TrainingConfig:
    """Return the recipe of a training without anything but steps."""
    return TrainingConfig(
        epochs=1, held_out=0, augment=AugmentConfig(erase=0), inner=InnerConfig(steps=inner_steps)
    )


def train_epoch(
    defense: Defense,
    train: ImageSet,
    backbone: BackboneConfig,
    recipe: TrainingConfig,
    device: str = "auto",
) -> TrainingState:
    """Train for one epoch without preparation and validation."""
    with tempfile.TemporaryDirectory() as folder:
        loop = TrainingLoop(
            defense,
            train=train,
            epoch_images=len(train),
            held_out=train.subset([]),
            backbone=backbone,
            config=recipe,
            policy=choose_device(device),
            seed=0,
            work_dir=Path(folder),
        )
        return loop.run(SilentProgress()).state


def noise_images(batches: int, size: tuple[int, int]) -> ImageSet:
    """Return noise: `batches` batches of 16 identities with four images each."""
    count = 64 * batches
    pids = np.arange(count) // 4 + 1
    return ImageSet(
        np.random.default_rng(0).integers(0, 256, (count, *size, 3), dtype=np.uint8),
        pids.astype(np.int64),
        (np.arange(count) % 4 + 1).astype(np.int64),
        tuple(f"{pid:04d}_c{i % 4 + 1}s1_{i:06d}_00.png" for i, pid in enumerate(pids)),
    )
