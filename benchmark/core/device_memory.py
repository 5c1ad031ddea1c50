"""The memory of a device, as far as batches are sized to it."""

from __future__ import annotations

from typing import Protocol

import torch


class DeviceMemory(Protocol):
    """Memory that a piece of work takes for a while."""

    @property
    def total_bytes(self) -> int:
        """What the device has."""

    def begin(self) -> None:
        """Count from here on."""

    def taken_bytes(self) -> int:
        """Return the most that was taken since `begin` beyond what was held then."""


class CudaMemory:
    """The memory of a CUDA device, as torch counts it.

    Args:
        device: The device.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._held = 0

    @property
    def total_bytes(self) -> int:
        """What the device has."""
        return int(torch.cuda.get_device_properties(self._device).total_memory)

    def begin(self) -> None:
        """Count from here on."""
        torch.cuda.reset_peak_memory_stats(self._device)
        self._held = torch.cuda.memory_allocated(self._device)

    def taken_bytes(self) -> int:
        """Return the most that was taken since `begin` beyond what was held then."""
        return torch.cuda.max_memory_allocated(self._device) - self._held


def memory_of(device: torch.device) -> DeviceMemory | None:
    """Return the memory that batches are sized to; None on a CPU, where they stay as configured."""
    return CudaMemory(device) if device.type == "cuda" else None
