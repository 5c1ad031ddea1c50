"""A training step beside the bare passes that it counts of itself."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmark.bench.bare_passes import BarePasses
from benchmark.bench.ratio import Clock, Ratio, clock_of
from benchmark.bench.training_step import build, noise_images
from benchmark.core.device import DevicePolicy, choose_device
from benchmark.core.image_set import ImageSet
from benchmark.core.progress import Bar
from benchmark.models.backbone import BackboneConfig
from benchmark.training.config import InnerConfig, TrainingConfig
from benchmark.training.loop import TrainingLoop
from benchmark.training.step import Passes

MOST_OVERHEAD = 1.05


def training_ratios(
    image_size: tuple[int, int] = (64, 32), width: int = 24, batches: int = 5, repeats: int = 3
) -> Iterator[Ratio]:
    """Yield what steps of some trainings take over their passes, in the recipe of `embedded`.

    Args:
        image_size: (H, W).
        width: Width of the encoder.
        batches: Steps of an epoch; all but the first are timed.
        repeats: Repetitions.
    """
    recipe = TrainingConfig(epochs=1, held_out=0, inner=InnerConfig(steps=3))
    backbone, policy = BackboneConfig(width=width), choose_device("cpu")
    for name in ("none", "metric-at", "ddid"):
        taken, bare = step_and_passes(
            name, recipe, backbone, image_size, policy, batches=batches, repeats=repeats
        )
        yield Ratio(
            f"training step of {name} over its passes",
            taken / bare,
            f"batches of 64, {clock_of(policy.device)[1]}, in turn, fastest of {repeats}",
            at_most=MOST_OVERHEAD if name == "metric-at" else None,
        )


def step_and_passes(
    name: str,
    recipe: TrainingConfig,
    backbone: BackboneConfig,
    image_size: tuple[int, int],
    policy: DevicePolicy,
    *,
    batches: int,
    repeats: int,
) -> tuple[float, float]:
    """Return the seconds of a training step and of its bare passes, the fastest in turn.

    Args:
        name: The defense.
        recipe: One epoch without held-out identities.
        backbone: Which encoder.
        image_size: (H, W).
        policy: Device and precision.
        batches: Steps of an epoch; all but the first are timed.
        repeats: Repetitions, after one that warms up.
    """
    clock, _ = clock_of(policy.device)
    train = noise_images(batches, image_size)
    bare = BarePasses(backbone, image_size, policy)
    taken, least = [], []
    for _ in range(repeats + 1):
        seconds, passes = _step(name, recipe, backbone, train, policy, clock)
        taken.append(seconds)
        least.append(_bare(bare, passes, len(train), batches - 1, clock))
    return min(taken[1:]), min(least[1:])


class _StepClock:
    """A progress reporter that reads the clock after the first and after the last step."""

    def __init__(self, clock: Clock) -> None:
        self._clock, self._steps, self._total = clock, 0, 0
        self._read: list[float] = []

    @contextmanager
    def task(self, title: str, total: int) -> Iterator[Bar]:
        """Yield itself."""
        self._total = total
        yield self

    def advance(self, steps: int = 1, note: str = "") -> None:
        """Count steps."""
        self._steps += steps
        if steps and self._steps in (1, self._total):
            self._read.append(self._clock())

    @property
    def seconds(self) -> float:
        """Seconds of a step between the two."""
        first, last = self._read
        return (last - first) / (self._total - 1)


def _step(
    name: str,
    recipe: TrainingConfig,
    backbone: BackboneConfig,
    train: ImageSet,
    policy: DevicePolicy,
    clock: Clock,
) -> tuple[float, Passes]:
    """Return the seconds of a step of an epoch, and the passes of the epoch."""
    steps = _StepClock(clock)
    with tempfile.TemporaryDirectory() as folder:
        loop = TrainingLoop(
            build(name),
            train=train,
            epoch_images=len(train),
            held_out=train.subset([]),
            backbone=backbone,
            config=recipe,
            policy=policy,
            seed=0,
            work_dir=Path(folder),
        )
        state = loop.run(steps).state
    return steps.seconds, Passes(**state.passes)


def _bare(bare: BarePasses, passes: Passes, images: int, steps: int, clock: Clock) -> float:
    """Return the seconds of the bare passes of one of `steps` steps."""
    to_images = round(passes.inner_backward / images)
    start = clock()
    for _ in range(steps):
        bare.forwards(round(passes.inner_forward / images) - to_images)
        bare.to_images(to_images)
        bare.update(round(passes.outer / images))
    return (clock() - start) / steps
