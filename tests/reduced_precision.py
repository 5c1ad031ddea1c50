"""Arithmetic with fewer bits, in place of a GPU's TF32: factors of products are rounded."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

FLOAT32_BITS = 23
PRODUCTS = {torch.conv2d, torch.nn.functional.linear, torch.matmul, torch.mm, Tensor.matmul}


@contextmanager
def rounded_products(bits: int) -> Iterator[None]:
    """Round the factors of matrix products and convolutions to so many bits of mantissa."""
    with _Rounding(bits):
        yield


def rounded(values: Tensor, bits: int) -> Tensor:
    """Return float32 values rounded to so many bits of mantissa; the gradient passes through."""
    cut = FLOAT32_BITS - bits
    whole = values.detach().contiguous().view(torch.int32)
    near = (((whole + (1 << (cut - 1))) >> cut) << cut).view(torch.float32)
    return values + (near - values).detach()


class _Rounding(TorchFunctionMode):
    def __init__(self, bits: int) -> None:
        super().__init__()
        self._bits = bits

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        if func in PRODUCTS:
            args = tuple(
                rounded(one, self._bits)
                if isinstance(one, Tensor) and one.dtype == torch.float32
                else one
                for one in args
            )
        return func(*args, **(kwargs or {}))
