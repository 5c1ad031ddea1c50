"""The precision in which attacks craft: float32, or TF32 where a GPU multiplies in it.

TF32 rounds the factors of matrix products and convolutions to 10 bits of mantissa and adds up in
float32. Weights, images, gradients and whatever counts stay float32.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Literal

import torch

CraftingPrecision = Literal["float32", "tf32"]

FIRST_WITH_TF32 = (8, 0)
"""Compute capability of the first NVIDIA GPUs that have it (Ampere)."""


def has_tf32(device: torch.device) -> bool:
    """Whether a device multiplies in TF32."""
    if device.type != "cuda" or torch.version.cuda is None:  # ROCm calls its devices cuda, too
        return False
    return torch.cuda.get_device_capability(device) >= FIRST_WITH_TF32


@contextmanager
def _tf32_allowed() -> Iterator[None]:
    """Allow TF32 in matrix products and convolutions of the body.

    By the flags that torch has had since 1.7: those that followed in 2.9 make torch refuse to read
    the old ones, which encoders of others do.
    """
    products, convolutions = torch.backends.cuda.matmul, torch.backends.cudnn
    before = products.allow_tf32, convolutions.allow_tf32
    products.allow_tf32 = convolutions.allow_tf32 = True
    try:
        yield
    finally:
        products.allow_tf32, convolutions.allow_tf32 = before


ARITHMETIC: dict[CraftingPrecision, Callable[[], AbstractContextManager[None]]] = {
    "float32": nullcontext,
    "tf32": _tf32_allowed,
}
"""What makes the body of a `with` compute in each of them."""


def crafting_in(precision: CraftingPrecision) -> AbstractContextManager[None]:
    """Return what makes the body of a `with` craft in a precision."""
    return ARITHMETIC[precision]()
