"""Random embeddings in the proportions of a data set, to be ranked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_DRAWN_AT_ONCE = 4096


@dataclass(frozen=True)
class SplitSize:
    """How much there is to rank.

    Attributes:
        queries: Images that are asked for.
        gallery: Images that are ranked.
        dim: Length of an embedding.
        identities: People among the queries.
        distractors: Gallery images of nobody who is asked for.
    """

    queries: int
    gallery: int
    dim: int
    identities: int
    distractors: int


@dataclass(frozen=True)
class EmbeddingSplit:
    """Random embeddings around the centre of their identity; identity 0 is a distractor."""

    query: NDArray[np.float32]
    query_pids: NDArray[np.int64]
    query_camids: NDArray[np.int64]
    gallery: NDArray[np.float32]
    gallery_pids: NDArray[np.int64]
    gallery_camids: NDArray[np.int64]

    @classmethod
    def random(cls, size: SplitSize) -> EmbeddingSplit:
        """Draw a split; the same one for the same size."""
        rng = np.random.default_rng(0)
        centres = rng.standard_normal((size.identities + 1, size.dim), dtype=np.float32)
        query_pids = rng.integers(1, size.identities + 1, size.queries)
        gallery_pids = rng.integers(1, size.identities + 1, size.gallery)
        gallery_pids[rng.permutation(size.gallery)[: size.distractors]] = 0

        def around(pids: NDArray[np.int64]) -> NDArray[np.float32]:
            rows = np.empty((len(pids), size.dim), np.float32)
            for start in range(0, len(pids), _DRAWN_AT_ONCE):
                part = rows[start : start + _DRAWN_AT_ONCE]
                rng.standard_normal(out=part, dtype=np.float32)
                part *= 3
                part += centres[pids[start : start + _DRAWN_AT_ONCE]]
            return rows

        return cls(
            around(query_pids),
            query_pids,
            rng.integers(1, 7, size.queries),
            around(gallery_pids),
            gallery_pids,
            rng.integers(1, 7, size.gallery),
        )

    @classmethod
    def load(cls, path: Path) -> EmbeddingSplit:
        """Read what `np.savez` wrote of the attributes."""
        with np.load(path) as arrays:
            return cls(**arrays)
