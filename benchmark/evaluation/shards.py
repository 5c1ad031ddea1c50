"""Shards: runs of attacked images that are crafted, and kept, by themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from benchmark.evaluation.attack_inputs import ImageSide

SHARD_IMAGES = 128
"""About how many images a shard holds; it counts for random encoders and their attacks alone,
whose draws begin anew with each shard."""


@dataclass(frozen=True)
class Shard:
    """Some of the attacked images of a set.

    Attributes:
        side: The set.
        start: The first of them, counted among the attacked images of the set.
        stop: The one after the last.
    """

    side: ImageSide
    start: int
    stop: int

    @property
    def name(self) -> str:
        """Name under which it is kept."""
        return f"{self.side}-{self.start}-{self.stop}"

    @property
    def images(self) -> int:
        """How many images it holds."""
        return self.stop - self.start


def shards_of(counts: Mapping[ImageSide, int], batch: int) -> tuple[Shard, ...]:
    """Return the shards of attacked images; each holds whole batches, as the set in one piece does.

    Args:
        counts: Attacked images by set.
        batch: Images at a time.
    """
    length = max(SHARD_IMAGES // batch, 1) * batch
    return tuple(
        Shard(side, start, min(start + length, count))
        for side, count in counts.items()
        for start in range(0, count, length)
    )
