"""Checks of values that a device is still computing: the host looks at them some steps later."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

Judge = Callable[[list[float]], None]
"""Given the values, raises what is wrong with them, or keeps them."""

BEHIND = 16
"""Checks that may be open on a GPU before the oldest is waited for: a few steps; chosen."""


@dataclass(frozen=True)
class _Open:
    values: Tensor
    judge: Judge
    copied: torch.cuda.Event | None

    def is_here(self) -> bool:
        return self.copied is not None and bool(self.copied.query())  # type: ignore[no-untyped-call]

    def close(self) -> None:
        if self.copied is not None:
            self.copied.synchronize()
        self.judge(self.values.tolist())


class LateChecks:
    """Judges values in the order in which they were handed in, without waiting for the device.

    The first judge that raises names the true culprit, as whatever went wrong later is judged
    later. Who keeps results must call `finish` before.

    Args:
        behind: Checks that may be open; 0 judges at once, as on a CPU, where nothing is waited for.
    """

    def __init__(self, behind: int = 0) -> None:
        self._behind = behind
        self._open: deque[_Open] = deque()

    @classmethod
    def on(cls, device: torch.device) -> LateChecks:
        """Return what suits a device."""
        return cls(BEHIND if device.type == "cuda" else 0)

    @property
    def at_once(self) -> bool:
        """Whether nothing is ever left open."""
        return self._behind == 0

    def add(self, values: Tensor, judge: Judge) -> None:
        """Let `judge` see (N,) values, at the latest when `behind` more checks were added.

        Raises:
            Exception: What this judge or an earlier one raises.
        """
        copied = None
        values = values.detach()
        if values.is_cuda:
            values = values.to("cpu", non_blocking=True)  # into pinned memory
            copied = torch.cuda.Event()  # type: ignore[no-untyped-call]
            copied.record()
        self._open.append(_Open(values, judge, copied))
        while self._open and (len(self._open) > self._behind or self._open[0].is_here()):
            self._close_first()

    def finish(self) -> None:
        """Wait for all values and judge them.

        Raises:
            Exception: What the first judge that is not content raises.
        """
        while self._open:
            self._close_first()

    def _close_first(self) -> None:
        try:
            self._open.popleft().close()
        except Exception:
            self._open.clear()  # what came later follows from it
            raise
