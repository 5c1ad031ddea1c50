"""How fast batches are drawn, turned into floats and augmented, beside what a training eats."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

from benchmark.bench.ratio import Ratio, clock_of, fastest_in_turn
from benchmark.bench.training_step import build, noise_images, one_epoch, train_epoch
from benchmark.core.device import choose_device
from benchmark.data.pixel_source import pixel_source
from benchmark.data.sampler import PKSampler
from benchmark.models.backbone import BackboneConfig
from benchmark.training.augmentation import augmented
from benchmark.training.config import AugmentConfig

HUNGRIEST = "none"
"""The defense whose step is the shortest."""


def loader_ratios(
    image_size: tuple[int, int] = (64, 32),
    width: int = 24,
    batches: int = 4,
    repeats: int = 3,
    device: str = "auto",
) -> Iterator[Ratio]:
    """Yield how many times as fast as a training step its batch is loaded.

    Args:
        image_size: (H, W).
        width: Width of the encoder.
        batches: Batches loaded together.
        repeats: Repetitions.
        device: Where.
    """
    policy = choose_device(device)
    train, options = noise_images(batches, image_size), AugmentConfig()
    recipe = one_epoch().model_copy(update={"augment": options})
    sampler = PKSampler(train.pids, recipe.identities, recipe.images)

    source = pixel_source(train, policy.device)

    def load() -> None:
        with closing(source.batches(sampler.epoch(0))) as pixels:
            for batch in pixels:
                augmented(batch, 0, options)

    def train_on_them() -> None:
        train_epoch(build(HUNGRIEST), train, BackboneConfig(width=width), recipe, device)

    clock, its_name = clock_of(policy.device)
    seconds = fastest_in_turn({"load": load, "train": train_on_them}, repeats, clock)
    yield Ratio(
        f"loader over what the step of {HUNGRIEST} eats",
        seconds["train"] / seconds["load"],
        f"batches of 64, {its_name}, in turn, fastest of {repeats}",
        at_least=1,
    )
