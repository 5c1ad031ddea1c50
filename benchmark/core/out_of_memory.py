"""Whether memory ran out, and how to give back what can be given."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

from benchmark.core.errors import causes

if TYPE_CHECKING:
    import torch

_OF_TORCH = "OutOfMemoryError"
"""Known by its name: commands that compute nothing ask, too, and do without torch."""
_TEXTS = (
    "out of memory",
    "can't allocate memory",
    "not enough memory",
    "cublas_status_alloc_failed",
    "cudnn_status_alloc_failed",
)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error, or one behind it, says that memory ran out."""
    return any(map(_says_so, causes(error)))


def _says_so(error: BaseException) -> bool:
    if isinstance(error, MemoryError) or type(error).__name__ == _OF_TORCH:
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(one in text for one in _TEXTS)


def give_back_memory(device: torch.device) -> None:
    """Free what nobody holds; on a GPU, too, what torch keeps for later."""
    gc.collect()
    if device.type == "cuda":
        import torch

        torch.cuda.empty_cache()
