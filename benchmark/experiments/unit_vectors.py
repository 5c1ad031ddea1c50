"""Vectors at length 1."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

F = TypeVar("F", np.float32, np.float64)


def unit(vectors: NDArray[F]) -> NDArray[F]:
    """Return (N, D) vectors at length 1; one of zeros stays."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    scaled: NDArray[F] = vectors / np.maximum(lengths, 1e-12)
    return scaled
