"""Recolouring by a table over RGB: which nodes of the lattice decide a pixel, and by how much.

The table is interpolated trilinearly, so recoloured pixels are linear in it, x' = W T, and so is
the way back for gradients, by the transposed W. W depends on the clean image alone. Its columns of
zeros, the nodes that no pixel touches, are left out: they change nothing and have no gradient.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F


class Recolour(nn.Module):
    """Maps the colours of the touched nodes of each image, (B, 3, K, 1), to recoloured images.

    K is the most that an image of the batch touches; other images have slots that do nothing.

    Args:
        images: (B, 3, H, W) in [0, 1].
        nodes: Nodes along each colour; node (r, g, b) has the number (r nodes + g) nodes + b.
    """

    def __init__(self, images: Tensor, nodes: int) -> None:
        super().__init__()
        self.nodes, self.shape = nodes, images.shape
        place = images.permute(0, 2, 3, 1).reshape(-1, 3) * (nodes - 1)
        below = place.floor().clamp_(0, nodes - 2)
        red, green, blue = torch.stack([1 - (place - below), place - below], 2).unbind(1)
        weights = red[:, :, None, None] * green[:, None, :, None] * blue[:, None, None, :]
        strides = torch.tensor([nodes**2, nodes, 1], device=images.device)
        sides = torch.arange(2, device=images.device)[:, None] * strides
        corners = sides[:, None, None, 0] + sides[None, :, None, 1] + sides[None, None, :, 2]
        own_table = torch.arange(len(images), device=images.device) * nodes**3
        first = (below.long() * strides).sum(1).reshape(len(images), -1) + own_table[:, None]
        numbers = first.reshape(-1, 1) + corners.reshape(1, 8)
        self.touched, slots = _compacted(numbers, len(images), nodes**3)
        self._matrix = _Sparse.of_rows(slots, weights.reshape(-1, 8))
        self._transposed = _Sparse.transpose_of(self._matrix, self.touched.numel())
        self._dtype = images.dtype

    def identity(self) -> Tensor:
        """Return the colours that change nothing."""
        levels = torch.linspace(0, 1, self.nodes, dtype=self._dtype, device=self.touched.device)
        numbers, nodes = self.touched, self.nodes
        places = torch.stack([numbers // nodes**2, numbers // nodes % nodes, numbers % nodes], 2)
        return levels[places].transpose(1, 2)[..., None]

    def forward(self, colours: Tensor) -> Tensor:
        """Return (B, 3, H, W) images, differentiable once in the (B, 3, K, 1) colours."""
        rows = colours.permute(0, 2, 3, 1).reshape(-1, 3)
        mixed: Tensor = _Product.apply(rows, self._matrix, self._transposed)
        batch, channels, height, width = self.shape
        return mixed.reshape(batch, height, width, channels).permute(0, 3, 1, 2)


def _compacted(numbers: Tensor, batch: int, size: int) -> tuple[Tensor, Tensor]:
    """Return the (B, K) nodes that each image touches, padded with 0, and `numbers` as slots.

    Args:
        numbers: Of nodes, plus `size` for each image before; the slots have the same shape.
        batch: Images.
        size: Nodes of a lattice.
    """
    seen = torch.zeros(batch * size, dtype=torch.bool, device=numbers.device)
    seen.index_fill_(0, numbers.flatten(), True)
    found = torch.nonzero(seen)[:, 0]
    image = found // size
    counts = torch.bincount(image, minlength=batch)
    column = torch.arange(len(found), device=found.device) - (counts.cumsum(0) - counts)[image]
    touched = found.new_zeros(batch, int(counts.max()))
    touched[image, column] = found % size
    slot = torch.empty(batch * size, dtype=torch.int32, device=found.device)
    slot[found] = (image * touched.shape[1] + column).int()
    return touched, slot.index_select(0, numbers.flatten()).reshape(numbers.shape)


@dataclass(frozen=True)
class _Sparse:
    """A sparse matrix by rows.

    Attributes:
        columns: (E,) int32 column of each entry, row after row.
        weights: (E,) the entries.
        starts: (R,) int32 first entry of each row.
    """

    columns: Tensor
    weights: Tensor
    starts: Tensor

    @classmethod
    def of_rows(cls, columns: Tensor, weights: Tensor) -> _Sparse:
        """Return a matrix with as many entries in each row, both (R, entries)."""
        rows, entries = columns.shape
        starts = torch.arange(rows, dtype=torch.int32, device=columns.device) * entries
        return cls(columns.flatten(), weights.flatten(), starts)

    @classmethod
    def transpose_of(cls, matrix: _Sparse, columns: int) -> _Sparse:
        """Return the transpose of what `of_rows` returned, of so many columns."""
        ordered, order = matrix.columns.sort(stable=True)
        every = torch.arange(columns, dtype=torch.int32, device=ordered.device)
        starts = torch.searchsorted(ordered, every, out_int32=True)
        entries = len(ordered) // len(matrix.starts)
        return cls((order // entries).int(), matrix.weights.index_select(0, order), starts)

    def times(self, dense: Tensor) -> Tensor:
        """Return (R, D), the product with (columns, D)."""
        return F.embedding_bag(
            self.columns, dense, self.starts, mode="sum", per_sample_weights=self.weights
        )


class _Product(torch.autograd.Function):
    """A product whose gradient is one, too, which is faster than autograd's scattered sums."""

    @staticmethod
    def forward(ctx: Any, dense: Tensor, matrix: _Sparse, transposed: _Sparse) -> Tensor:
        ctx.transposed = transposed
        return matrix.times(dense)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        return ctx.transposed.times(gradient.contiguous()), None, None
