"""What is kept of the adversarial images of a set, whole or in shards."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Form = Literal["rounded", "float", "jpeg"]
FORMS: tuple[Form, ...] = get_args(Form)
"""Rounded to 8 bits, as PNG keeps them: the headline; as crafted; after JPEG."""
Key = TypeVar("Key")


@dataclass(frozen=True)
class PerturbedImages:
    """Embeddings of the adversarial images of a set, and what they cost.

    Attributes:
        rows: (N,) rows of the set that were perturbed.
        embeddings: (N, D) by form, on the CPU.
        snapshots: (N, D) of 8-bit images after so many answers for each.
        seconds: Time inside the attack.
        forwards: Images that went forward inside the attack.
        backwards: Images that went backward.
        queries: Answers that it was given.
        max_distance_255: Largest change of a pixel of the 8-bit images.
        traces: Mean objective at each step, a trace for each batch.
        weights: Images of each batch.
        images_sha256: Hash of the adversarial images as crafted, in the order of the rows; of
            several shards, the hash of their hashes.
        images: uint8 (N, H, W, 3) rounded to 8 bits; None where there are too many to keep.
        halved_to: Images at once to which memory that ran out cut the batch; None: it did not.
    """

    rows: NDArray[np.int64]
    embeddings: dict[Form, Tensor]
    snapshots: dict[int, Tensor]
    seconds: float
    forwards: int
    backwards: int
    queries: int
    max_distance_255: float
    traces: list[list[float]]
    weights: list[int]
    images_sha256: str
    images: NDArray[np.uint8] | None
    halved_to: int | None = None

    def placed(self, form: Form, clean: Tensor) -> Tensor:
        """Return the (M, D) clean embeddings of the set with the perturbed rows replaced."""
        placed = clean.clone()
        placed[torch.from_numpy(self.rows)] = self.embeddings[form]
        return placed

    @property
    def trace(self) -> list[float]:
        """Mean objective at each step over images; traces are cut to the shortest."""
        steps = min(len(one) for one in self.traces)
        traces = np.array([one[:steps] for one in self.traces])
        mean: list[float] = np.average(traces, axis=0, weights=self.weights).tolist()
        return mean


def joined(shards: Sequence[PerturbedImages]) -> PerturbedImages:
    """Return the shards of a set, in order, as if they had been crafted in one piece."""
    if len(shards) == 1:
        return shards[0]
    hashes = "".join(one.images_sha256 for one in shards)
    images = [one.images for one in shards if one.images is not None]
    sizes = [len(one.rows) for one in shards]
    return PerturbedImages(
        rows=np.concatenate([one.rows for one in shards]),
        embeddings=_joined([one.embeddings for one in shards], sizes),
        snapshots=_joined([one.snapshots for one in shards], sizes),
        seconds=sum(one.seconds for one in shards),
        forwards=sum(one.forwards for one in shards),
        backwards=sum(one.backwards for one in shards),
        queries=sum(one.queries for one in shards),
        max_distance_255=max(one.max_distance_255 for one in shards),
        traces=[trace for one in shards for trace in one.traces],
        weights=[weight for one in shards for weight in one.weights],
        images_sha256=hashlib.sha256(hashes.encode()).hexdigest(),
        images=np.concatenate(images) if len(images) == len(shards) else None,
        halved_to=smallest_of(shards),
    )


def smallest_of(perturbed: Iterable[PerturbedImages]) -> int | None:
    """Return the smallest batch to which memory cut any of several sets or shards."""
    return min((one.halved_to for one in perturbed if one.halved_to is not None), default=None)


def _joined(parts: Sequence[dict[Key, Tensor]], sizes: Sequence[int]) -> dict[Key, Tensor]:
    """Return rows of several shards below each other; NaN where a shard has none."""
    dims = {key: one.shape[1] for part in parts for key, one in part.items()}
    return {
        key: torch.cat(
            [
                part[key] if key in part else torch.full((size, dim), torch.nan)
                for part, size in zip(parts, sizes, strict=True)
            ]
        )
        for key, dim in dims.items()
    }
