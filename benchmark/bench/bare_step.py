"""A training step beside its bare passes, in turn within one process, by processor time.

Bare are the passes that the step cannot do without, on an encoder of its own: guides forward, inner
steps forward and backward to the images, the batch forward through the recipe's loss and backward
to the weights, and the optimiser. Batches, augmentation, objectives, clipping and checks are above.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from benchmark.bench.ratio import Ratio
from benchmark.bench.training_step import build, noise_images, one_epoch
from benchmark.core.device import DevicePolicy, choose_device
from benchmark.core.encoder import evaluating
from benchmark.core.progress import Bar
from benchmark.models.backbone import BackboneConfig
from benchmark.models.encoder import ReIDModel, build_encoder
from benchmark.training.config import TrainingConfig
from benchmark.training.loop import TrainingLoop
from benchmark.training.losses import retrieval_loss, smoothed_targets
from benchmark.training.optimiser import adam

WARM_UP = 2
MOST_OVERHEAD = 1.05
"""Target of a step of `metric-at` on a CPU, in times of its bare passes."""
NAMES = ("none", "metric-at")


def training_ratios(
    image_size: tuple[int, int] = (64, 32), width: int = 24, batches: int = 12
) -> Iterator[Ratio]:
    """Yield what steps of two trainings take over their bare passes on a CPU."""
    for name in NAMES:
        row = bench_bare_step(
            name, image_size, BackboneConfig(width=width), batches=batches, device="cpu"
        )
        yield Ratio(
            f"training step of {name} over its passes",
            row["ratio"],
            f"batches of 64, processor time, median of {batches - WARM_UP} neighbours",
            at_most=MOST_OVERHEAD if name == "metric-at" else None,
        )


def bench_bare_steps() -> dict[str, dict[str, float]]:
    """Time training steps and their bare passes in turn, on small-resnet of width 16 at 64×32."""
    return {name: bench_bare_step(name) for name in NAMES}


def bench_bare_step(
    name: str = "metric-at",
    image_size: tuple[int, int] = (64, 32),
    backbone: BackboneConfig | None = None,
    inner_steps: int = 3,
    batches: int = 12,
    device: str = "auto",
) -> dict[str, float]:
    """Time the step of `none` or `metric-at` and its bare passes, each after the other.

    Args:
        name: ``none`` or ``metric-at``.
        image_size: (H, W).
        backbone: Which encoder; None: small-resnet of width 16.
        inner_steps: Gradient steps of the inner attack.
        batches: Steps; the first of them warm up.
        device: ``auto``, ``cpu`` or ``cuda``.

    Returns:
        Median ``step`` and ``bare`` seconds, and the median ``ratio`` of neighbours.
    """
    backbone = backbone or BackboneConfig(width=16)
    recipe, policy = one_epoch(inner_steps), choose_device(device)
    train = noise_images(batches, image_size)
    passes = BarePasses(recipe, backbone, policy, image_size, guided=name != "none")
    turns = _Turns(passes.run, policy.device)
    with tempfile.TemporaryDirectory() as folder:
        TrainingLoop(
            build(name),
            train=train,
            epoch_images=len(train),
            held_out=train.subset([]),
            backbone=backbone,
            config=recipe,
            policy=policy,
            seed=0,
            work_dir=Path(folder),
        ).run(turns)
    pairs = list(zip(turns.steps, turns.bare, strict=True))[WARM_UP:]
    return {
        "step": statistics.median(step for step, _ in pairs),
        "bare": statistics.median(bare for _, bare in pairs),
        "ratio": statistics.median(step / bare for step, bare in pairs),
    }


class BarePasses:
    """The passes of a step, without anything beside them.

    Args:
        recipe: Batch, inner steps, precision.
        backbone: Which encoder.
        policy: Device and precision.
        image_size: (H, W).
        guided: Whether the batch is embedded and attacked, and learned clean and adversarial.
    """

    def __init__(
        self,
        recipe: TrainingConfig,
        backbone: BackboneConfig,
        policy: DevicePolicy,
        image_size: tuple[int, int],
        guided: bool,
    ) -> None:
        torch.manual_seed(0)
        batch, classes = recipe.identities * recipe.images, 2 * recipe.identities
        self._model: ReIDModel = policy.place(ReIDModel(build_encoder(backbone), classes))  # type: ignore[assignment]
        self._optimizer = adam(list(self._model.parameters()), recipe, policy.device)
        images = torch.rand(batch, 3, *image_size, device=policy.device)
        self._images = images.contiguous(memory_format=torch.channels_last)
        labels = torch.arange(batch, device=policy.device) // recipe.images
        self._labels = labels.repeat(2) if guided else labels
        self._targets = smoothed_targets(self._labels, classes, 0.9)
        self._policy, self._steps, self._guided = policy, recipe.inner.steps, guided

    def run(self) -> None:
        """Run them once."""
        model, images = self._model.train(), self._images
        if self._guided:
            images = torch.cat([images, self._attacked(images)])
        with self._policy.training_precision():
            output = model(images)
        loss = retrieval_loss(output, self._labels, self._targets, 0.3)
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()

    def _attacked(self, images: Tensor) -> Tensor:
        encoder = self._model.encoder
        with evaluating(encoder):
            with torch.no_grad():
                encoder(images)
            for _ in range(self._steps):
                leaf = images.detach().requires_grad_(True)
                torch.autograd.grad(encoder(leaf).sum(), leaf)
        return images.detach()


@dataclass
class _Turns:
    """A progress reporter that runs something after each step, and times both."""

    other: Callable[[], None]
    device: torch.device
    steps: list[float] = field(default_factory=list)
    bare: list[float] = field(default_factory=list)
    last: float = 0.0

    @contextmanager
    def task(self, title: str, total: int) -> Iterator[Bar]:
        self.last = self._now()
        yield self

    def advance(self, steps: int = 1, note: str = "") -> None:
        if not steps:
            return
        between = self._now()
        self.other()
        end = self._now()
        self.steps.append(between - self.last)
        self.bare.append(end - between)
        self.last = self._now()

    def _now(self) -> float:
        if self.device.type == "cpu":
            return time.process_time()
        torch.cuda.synchronize(self.device)
        return time.perf_counter()
