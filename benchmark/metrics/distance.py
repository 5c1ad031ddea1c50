"""Cosine distances in blocks of queries and of gallery images, so that memory is bounded.

A library picks the order of its sums by the shape of a product, so the same pair could differ in
its last bit between two batches. Here every product over one gallery has the same shape,
``QUERY_TILE x D`` by ``D x W`` (edges are padded with zeros), where the width W follows from the
gallery alone: the distance of a pair depends neither on the size of a block nor on which other
queries are asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from benchmark.core.batches import Batches
from benchmark.core.errors import PluginError
from benchmark.metrics.threads import in_threads

QUERY_TILE = 256
"""Queries in one matrix product, whatever the number of queries."""

_GALLERY_MULTIPLE = 64
"""Gallery rows are padded to a multiple of this, so that no pair sits in a ragged edge."""

_UNIT_BYTES = 128 * 2**20
"""Unit vectors of the gallery that are held at once; a gallery within it is one block."""

_TILE_A_THREAD = range(2**13, 2**16 + 1)
"""Sizes of a gallery, in one block, for which each thread of the CPU multiplies a tile of its own.

Two threads that share a product finish it in 0.7 of one thread's time, with a tile each in half.
Smaller galleries are multiplied in no time; with larger ones, a tile a thread is too much to hold.
"""

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


def each_distance_block(
    queries: Tensor,
    gallery: Tensor,
    use: Callable[[slice, Tensor], None],
    *,
    block: int | None = None,
    device: torch.device | None = None,
) -> None:
    """Hand on ``1 - cosine`` between some queries and the whole gallery, block after block.

    Beyond what is handed in, it holds the unit vectors of all queries, those of a block of the
    gallery (128 MiB, and twice as much while it is scaled), and the distances handed on: at most
    1 GiB, or those of `QUERY_TILE` queries if these are more.

    Args:
        queries: (Q, D), need not be normalised; may be a memory map, and of any floating type.
        gallery: (G, D), likewise.
        use: Called with each slice of queries and their distances, float32 (B, G) on the device.
            They are reused after the call and may be written to. Calls for different slices may
            come from several threads at once. Where memory runs out in it, it is called again,
            with fewer queries.
        block: Queries held at once, rounded up to a multiple of `QUERY_TILE`; None for as many as
            memory and speed ask for.
        device: Where to compute; None for where the queries are.
    """
    device = queries.device if device is None else device
    rows = unit_rows(queries.to(device))
    with full_precision(device.type):
        blocks = _DistanceBlocks(rows, gallery)
        if device.type == "cpu" and blocks.whole is not None and len(gallery) in _TILE_A_THREAD:
            in_threads(
                lambda start: use(*blocks.distances(start, blocks.buffer(QUERY_TILE))),
                range(0, len(rows), QUERY_TILE),
            )
            return
        if block is None:
            block = QUERY_TILE if blocks.whole is not None else blocks.most_at_once()
        held = _round_up(min(max(block, 1), max(len(rows), 1)), QUERY_TILE)
        _each_block(blocks, len(rows), held // QUERY_TILE, use, device)


def _each_block(
    blocks: _DistanceBlocks,
    queries: int,
    tiles: int,
    use: Callable[[slice, Tensor], None],
    device: torch.device,
) -> None:
    """Hand on the distances of so many tiles of queries at once, of fewer where memory runs out."""
    buffer: Tensor | None = None

    def hand_on(part: slice) -> None:
        nonlocal buffer
        wanted = QUERY_TILE * (part.stop - part.start)
        if buffer is None:
            buffer = blocks.buffer(wanted)
        use(*blocks.distances(QUERY_TILE * part.start, buffer[:wanted]))

    count = -(-queries // QUERY_TILE)
    what = f"blocks of {QUERY_TILE} queries"
    Batches(count, tiles, adjusts=True, device=device, owner="ranking", what=what).run(hand_on)


class _DistanceBlocks:
    """Products of some queries' unit vectors (Q, D) with a gallery that is cut into blocks."""

    def __init__(self, rows: Tensor, gallery: Tensor) -> None:
        images, dim = gallery.shape
        count = max(1, -(-images * dim * 4 // _UNIT_BYTES))
        self._rows, self._gallery = rows, gallery
        self._width = max(1, _round_up(-(-images // count), _GALLERY_MULTIPLE))
        self._one = torch.ones((), device=rows.device)
        self.whole = self._unit_columns(0) if self._width >= images else None
        """Unit vectors of the whole gallery (D, W), if they are one block."""

    def most_at_once(self) -> int:
        """Return how many queries' distances fit the memory that is meant for them."""
        most = _HELD_BYTES // (4 * _round_up(len(self._gallery), self._width))
        return most - most % QUERY_TILE

    def buffer(self, queries: int) -> Tensor:
        """Return where the distances of so many queries find room."""
        columns = _round_up(len(self._gallery), self._width)
        return torch.empty(queries, columns, dtype=torch.float32, device=self._rows.device)

    def distances(self, start: int, buffer: Tensor) -> tuple[slice, Tensor]:
        """Fill the buffer, a multiple of `QUERY_TILE` long, with the distances of some queries."""
        rows = self._rows[start : start + len(buffer)]
        part = _padded(rows, _round_up(len(rows), QUERY_TILE))
        for left in range(0, len(self._gallery), self._width):
            unit = self._unit_columns(left) if self.whole is None else self.whole
            for top in range(0, len(part), QUERY_TILE):
                tile = buffer[top : top + QUERY_TILE, left : left + self._width]
                torch.mm(part[top : top + QUERY_TILE], unit, out=tile)
                torch.sub(self._one, tile, out=tile)
        return slice(start, start + len(rows)), buffer[: len(rows), : len(self._gallery)]

    def _unit_columns(self, start: int) -> Tensor:
        """Return (D, W), the unit vectors of some images; zeros where the gallery has ended."""
        images = self._gallery[start : start + self._width].to(self._rows.device)
        return _padded(unit_rows(images), self._width).T


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


def _padded(rows: Tensor, count: int) -> Tensor:
    missing = count - rows.shape[0]
    return torch.nn.functional.pad(rows, (0, 0, 0, missing)) if missing else rows
