"""Where the work runs and in which precision: one policy for all of it; and its peak memory."""

from __future__ import annotations

import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from benchmark.core.errors import UsageError


@dataclass(frozen=True)
class DevicePolicy:
    """A device and what it may do.

    Attributes:
        device: Where tensors live.
        autocast_dtype: bfloat16 for training where the device computes in it, else None.
            What counts is always measured in float32; for crafting, see `crafting_precision`.
    """

    device: torch.device
    autocast_dtype: torch.dtype | None = None

    @contextmanager
    def training_precision(self) -> Iterator[None]:
        """Run the body in the training precision."""
        if self.autocast_dtype is None:
            yield
        else:
            with torch.autocast(self.device.type, dtype=self.autocast_dtype):
                yield

    def place(self, module: torch.nn.Module) -> torch.nn.Module:
        """Move a module to the device, in channels-last memory."""
        return module.to(device=self.device, memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def choose_device(name: str) -> DevicePolicy:
    """Return the policy for ``auto``, ``cpu`` or ``cuda``.

    Raises:
        UsageError: CUDA was asked for and is not there, or the name is none of the three.
    """
    if name not in ("auto", "cpu", "cuda"):
        raise UsageError(f"unknown device {name!r}", "use auto, cpu or cuda")
    has_cuda = torch.cuda.is_available()
    if name == "cuda" and not has_cuda:
        raise UsageError("no CUDA device is available", "use --device auto or --device cpu")
    forbid_reduced_precision()
    if name == "cpu" or not has_cuda:
        return DevicePolicy(torch.device("cpu"))
    dtype = torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else None
    return DevicePolicy(torch.device("cuda"), dtype)


def device_name(policy: DevicePolicy) -> str:
    """Return ``cpu`` or the name of the GPU."""
    if policy.device.type == "cuda":
        return torch.cuda.get_device_name(policy.device)
    return policy.device.type


def forbid_reduced_precision() -> None:
    """Keep float32 what it says: no TF32 in matrix products or convolutions.

    An attack may be allowed it for a while: `crafting_in`.
    """
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False


def peak_memory_bytes(device: torch.device) -> int:
    """Return the peak memory of a CUDA device, or of the process on a CPU."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
