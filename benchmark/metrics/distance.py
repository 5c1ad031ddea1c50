"""Cosine distances in blocks of queries, so that no query x gallery matrix is ever held."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmark.core.errors import PluginError

QUERY_TILE = 256
"""Queries in one matrix product, whatever the number of queries."""

_GALLERY_MULTIPLE = 64
"""Gallery rows are padded to a multiple of this, so that no pair sits in a ragged edge."""


def unit_rows(embeddings: Tensor) -> Tensor:
    """Scale every row to unit length; a row of zeros stays zero.

    Each row is first divided by its largest magnitude, so that neither huge nor tiny embeddings
    overflow or vanish in the norm.

    Args:
        embeddings: (N, D), any floating type, finite.

    Returns:
        float32 (N, D) on the same device, contiguous and detached.
    """
    rows = embeddings.detach()
    if rows.dtype not in (torch.float32, torch.float64):
        rows = rows.float()
    peak = _peak(rows)
    rows = rows / peak.masked_fill_(peak == 0, 1.0)
    norm = torch.linalg.vector_norm(rows, dim=1, keepdim=True)
    return rows.div_(norm.clamp_min_(1.0)).float().contiguous()


def check_embeddings(embeddings: Tensor, images: int, of: str) -> None:
    """Refuse embeddings that cannot be ranked.

    Args:
        embeddings: What the encoder returned for `images` images.
        images: How many images it was given.
        of: Which images, for the message: ``query`` or ``gallery``.

    Raises:
        PluginError: Not (images, D) with D > 0, or with rows that are not finite.
    """
    shape = tuple(embeddings.shape)
    if embeddings.ndim != 2 or shape[0] != images or shape[1] == 0:
        raise PluginError(
            f"the encoder returned {of} embeddings of shape {shape} for {images} images",
            f"return one vector an image: shape ({images}, D)",
        )
    broken = int((~torch.isfinite(_peak(embeddings.detach()))).sum())
    if broken:
        raise PluginError(
            f"{broken} of {images} {of} embeddings hold NaN or infinity",
            "look for a division by zero, an overflow, or a training that diverged",
        )


def cosine_distance_blocks(
    queries: Tensor, gallery: Tensor, *, block: int = 256
) -> Iterator[tuple[slice, NDArray[np.float32]]]:
    """Yield ``1 - cosine`` between some queries and the whole gallery, block after block.

    A library picks the order of its sums by the shape of a product, so the same pair could differ
    in its last bit between two batches. Here every product over one gallery has the same shape,
    ``QUERY_TILE x D`` by ``D x G`` (edges are padded with zeros): the distance of a pair depends
    neither on `block` nor on which other queries are asked.

    Args:
        queries: (Q, D), need not be normalised.
        gallery: (G, D) on the same device.
        block: Queries held at once, rounded up to a multiple of `QUERY_TILE`.

    Yields:
        The slice of queries, and their distances as float32 (B, G) on the CPU. The array is reused
        by the next block and may be written to.
    """
    total, columns = queries.shape[0], gallery.shape[0]
    held = _round_up(min(max(block, 1), max(total, 1)), QUERY_TILE)
    rows = unit_rows(queries)
    across = _padded(unit_rows(gallery), _GALLERY_MULTIPLE).T
    product = torch.empty(held, across.shape[1], dtype=torch.float32, device=rows.device)
    for start in range(0, total, held):
        stop = min(start + held, total)
        part = _padded(rows[start:stop], QUERY_TILE)
        with full_precision(rows.device.type):
            for top in range(0, part.shape[0], QUERY_TILE):
                tile = slice(top, top + QUERY_TILE)
                torch.mm(part[tile], across, out=product[tile])
        distances = product[: stop - start].neg_().add_(1.0)
        yield slice(start, stop), distances.cpu().numpy()[:, :columns]


@contextmanager
def full_precision(device_type: str) -> Iterator[None]:
    """Multiply in true float32 inside the block: no TF32, no bfloat16, no autocast, no autograd."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        with torch.no_grad(), torch.autocast(device_type, enabled=False):
            yield
    finally:
        torch.set_float32_matmul_precision(before)


def _peak(rows: Tensor) -> Tensor:
    """Return the largest magnitude of each row, (N, 1); NaN or infinity if the row holds one."""
    peak: Tensor = torch.linalg.vector_norm(rows, ord=float("inf"), dim=1, keepdim=True)
    return peak


def _round_up(count: int, tile: int) -> int:
    return -(-count // tile) * tile


def _padded(rows: Tensor, tile: int) -> Tensor:
    missing = _round_up(rows.shape[0], tile) - rows.shape[0]
    return torch.nn.functional.pad(rows, (0, 0, 0, missing)) if missing else rows
