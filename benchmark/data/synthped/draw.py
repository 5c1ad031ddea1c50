"""Random numbers that are equal on every machine and for every numpy version.

numpy guarantees the raw stream of its bit generators, not what `Generator` makes of it, and the
last digit of a libm call differs between machines. So numbers come from the raw stream with
exact arithmetic, and scalars are rounded to six decimals.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")

_BLOCK = 48


class Draw:
    """A stream of random numbers that belongs to an integer key.

    Args:
        key: Non-negative integers that name the stream, such as (seed, kind, identity).
    """

    def __init__(self, *key: int) -> None:
        self._bits = np.random.PCG64(np.random.SeedSequence(key))
        self._block: list[int] = []

    def _raw(self) -> int:
        if not self._block:
            self._block = self._bits.random_raw(_BLOCK).tolist()
        return self._block.pop()

    def unit(self) -> float:
        """Return a number in [0, 1)."""
        return (self._raw() >> 11) * 2.0**-53

    def uniform(self, low: float, high: float) -> float:
        """Return a number between `low` and `high`, rounded to six decimals."""
        return round(low + (high - low) * self.unit(), 6)

    def normal(self, mean: float = 0.0, std: float = 1.0) -> float:
        """Return a bell-shaped number (sum of four uniforms; within 3.5 `std` of `mean`)."""
        bell = self.unit() + self.unit() + self.unit() + self.unit() - 2.0
        return round(mean + std * bell * 1.7320508, 6)

    def log_normal(self, median: float, sigma: float) -> float:
        """Return a long-tailed number with the given median."""
        return round(median * math.exp(self.normal(0.0, sigma)), 4)

    def integer(self, low: int, high: int) -> int:
        """Return an integer in [low, high)."""
        return low + self._raw() % (high - low)

    def chance(self, probability: float) -> bool:
        """Return True with the given probability."""
        return self.unit() < probability

    def choice(self, options: Sequence[T]) -> T:
        """Return one of `options`, all equally likely."""
        return options[self._raw() % len(options)]

    def weighted(self, weights: Mapping[T, float]) -> T:
        """Return one key of `weights`, in proportion to its weight."""
        left = self.unit() * sum(weights.values())
        for option, weight in weights.items():
            left -= weight
            if left < 0:
                return option
        return option

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """Return `items` in random order (Fisher-Yates)."""
        order = list(items)
        for last in range(len(order) - 1, 0, -1):
            other = self._raw() % (last + 1)
            order[last], order[other] = order[other], order[last]
        return order

    def noise(self, *shape: int) -> NDArray[np.int16]:
        """Return bell-shaped integers of mean 0 and standard deviation 104.5 (of two bytes)."""
        count = math.prod(shape)
        raw = self._bits.random_raw((2 * count + 7) // 8).astype("<u8").view(np.uint8)
        pairs = raw[: 2 * count].astype(np.int16)
        return (pairs[:count] + pairs[count:] - 255).reshape(shape)
