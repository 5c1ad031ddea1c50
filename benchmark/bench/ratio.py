"""One measured ratio, and how two ways to do the same are timed in turn."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch

Clock = Callable[[], float]


@dataclass(frozen=True)
class Ratio:
    """A line of the table of `make bench`.

    Attributes:
        what: What is compared with what.
        value: The ratio.
        how: How it was measured.
        at_most: Target, if a smaller ratio is better.
        at_least: Target, if a larger ratio is better.
    """

    what: str
    value: float
    how: str
    at_most: float | None = None
    at_least: float | None = None

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None if there is none."""
        if self.at_most is not None:
            return self.value <= self.at_most
        return None if self.at_least is None else self.value >= self.at_least

    @property
    def target(self) -> str:
        """The target as text; empty if there is none."""
        if self.at_most is not None:
            return f"≤ {self.at_most:g}"
        return "" if self.at_least is None else f"≥ {self.at_least:g}"

    def as_json(self) -> dict[str, object]:
        """Return the line for a program."""
        bounds = {"at_most": self.at_most, "at_least": self.at_least}
        return {"what": self.what, "ratio": self.value, **bounds, "met": self.met, "how": self.how}


def clock_of(device: torch.device) -> tuple[Clock, str]:
    """Return what times work on a device, and its name.

    Of the CPU it is processor time, on which other work on the machine has less influence; a GPU
    is waited for.
    """
    if device.type != "cuda":
        return time.process_time, "processor time"

    def after_all_kernels() -> float:
        torch.cuda.synchronize(device)
        return time.perf_counter()

    return after_all_kernels, "wall time"


def fastest_in_turn(
    ways: Mapping[str, Callable[[], object]], repeats: int, clock: Clock
) -> dict[str, float]:
    """Return the seconds of each way: the fastest of its repetitions, after one that warms up.

    The ways take turns, so that other load on the machine hits all of them.
    """
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats + 1):
        for name, way in ways.items():
            start = clock()
            way()
            seconds[name].append(clock() - start)
    return {name: min(found[1:]) for name, found in seconds.items()}
