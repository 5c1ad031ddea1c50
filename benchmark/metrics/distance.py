"""Cosine distances in blocks of queries and of gallery images, so that memory is bounded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from benchmark.core.errors import PluginError

QUERY_TILE = 256
"""Queries in one matrix product, whatever the number of queries."""

_GALLERY_MULTIPLE = 64
"""Gallery rows are padded to a multiple of this, so that no pair sits in a ragged edge."""

_UNIT_BYTES = 128 * 2**20
"""Unit vectors of the gallery that are held at once; a gallery within it is one block."""

_HELD_BYTES = 2**30
"""Distances that are held at once, where the gallery is scaled anew for each block of queries."""


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
    queries: Tensor,
    gallery: Tensor,
    *,
    block: int | None = None,
    device: torch.device | None = None,
) -> Iterator[tuple[slice, Tensor]]:
    """Yield ``1 - cosine`` between some queries and the whole gallery, block after block.

    A library picks the order of its sums by the shape of a product, so the same pair could differ
    in its last bit between two batches. Here every product over one gallery has the same shape,
    ``QUERY_TILE x D`` by ``D x W`` (edges are padded with zeros), where the width W follows from
    the gallery alone: the distance of a pair depends neither on `block` nor on which other queries
    are asked.

    Beyond what is handed in, it holds the unit vectors of all queries, those of W gallery images
    and the yielded block: at most 1 GiB of distances, or those of `QUERY_TILE` queries if these
    are more.

    Args:
        queries: (Q, D), need not be normalised; may be a memory map, and of any floating type.
        gallery: (G, D), likewise.
        block: Queries held at once, rounded up to a multiple of `QUERY_TILE`; None for as many as
            memory and speed ask for.
        device: Where to compute; None for where the queries are.

    Yields:
        The slice of queries, and their distances as float32 (B, G) on the device. The tensor is
        reused by the next block and may be written to.
    """
    total, columns = queries.shape[0], gallery.shape[0]
    device = queries.device if device is None else device
    width = _gallery_width(columns, gallery.shape[1])
    padded = _round_up(columns, width)
    if block is None:
        held = QUERY_TILE if width >= columns else _HELD_BYTES // (4 * padded)
        block = held - held % QUERY_TILE
    held = _round_up(min(max(block, 1), max(total, 1)), QUERY_TILE)
    rows = unit_rows(queries.to(device))
    across = _unit_columns(gallery, 0, width, device) if width >= columns else None
    product = torch.empty(held, padded, dtype=torch.float32, device=device)
    one = torch.ones((), device=device)
    for start in range(0, total, held):
        stop = min(start + held, total)
        part = _padded(rows[start:stop], _round_up(stop - start, QUERY_TILE))
        for left in range(0, columns, width):
            unit = _unit_columns(gallery, left, width, device) if across is None else across
            with full_precision(device.type):
                for top in range(0, part.shape[0], QUERY_TILE):
                    distances = product[top : top + QUERY_TILE, left : left + width]
                    torch.mm(part[top : top + QUERY_TILE], unit, out=distances)
                    torch.sub(one, distances, out=distances)
        yield slice(start, stop), product[: stop - start, :columns]


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


def _gallery_width(images: int, dim: int) -> int:
    """Return how many images of a gallery are multiplied at once; at the end, some are padding."""
    blocks = max(1, -(-images * dim * 4 // _UNIT_BYTES))
    return max(_round_up(-(-images // blocks), _GALLERY_MULTIPLE), _GALLERY_MULTIPLE)


def _unit_columns(gallery: Tensor, start: int, width: int, device: torch.device) -> Tensor:
    """Return (D, width), the unit vectors of some images; zeros where the gallery has ended."""
    return _padded(unit_rows(gallery[start : start + width].to(device)), width).T


def _round_up(count: int, tile: int) -> int:
    return -(-count // tile) * tile


def _padded(rows: Tensor, count: int) -> Tensor:
    missing = count - rows.shape[0]
    return torch.nn.functional.pad(rows, (0, 0, 0, missing)) if missing else rows
