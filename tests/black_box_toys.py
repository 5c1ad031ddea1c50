"""Encoders on which black-box attacks are solved by hand; embeddings of a tiny one in numpy."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from benchmark.core.attack_batch import AttackBatch
from benchmark.core.guides import Guides


def embed(encoder: nn.Module, image: np.ndarray) -> np.ndarray:
    """Return the unit embedding of one (3, H, W) image."""
    with torch.no_grad():
        vector: np.ndarray = encoder(torch.from_numpy(image)[None])[0].numpy()
    return vector / np.linalg.norm(vector)


def unit_rows(vectors: Tensor) -> np.ndarray:
    rows: np.ndarray = vectors.numpy()
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def matches_of(batch: AttackBatch, i: int) -> np.ndarray:
    guides = batch.gallery_guides
    return (guides.pids.numpy() == int(batch.pids[i])) & (
        guides.camids.numpy() != int(batch.camids[i])
    )


class Spy(nn.Module):
    """Keeps every image that an encoder is asked about, and how many it was asked about at once."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        self.asked: list[np.ndarray] = []
        self.together: list[int] = []

    def forward(self, images: Tensor) -> Tensor:
        self.asked.extend(images.numpy().copy())
        self.together.extend([len(images)] * len(images))
        answers: Tensor = self.encoder(images)
        return answers


class Linear(nn.Module):
    """The cosine to (1, 0) is linear in the image: 0.5 + gradient . (image - 0.5)."""

    def __init__(self, gradient: Tensor) -> None:
        super().__init__()
        self.gradient = nn.Buffer(gradient)

    def forward(self, images: Tensor) -> Tensor:
        cosine = 0.5 + torch.einsum("nchw,chw->n", images - 0.5, self.gradient)
        return torch.stack([cosine, (1 - cosine.square()).sqrt()], 1)


def blocks(seed: int) -> Tensor:
    """Return (3, 4, 2) numbers of either sign, of size 0.5 to 1.5."""
    draws = torch.rand(2, 3, 4, 2, generator=torch.Generator().manual_seed(seed)).double()
    return (0.5 + draws[0]) * (draws[1] - 0.5).sign()


def enlarged(coarse: Tensor) -> Tensor:
    return coarse.repeat_interleave(4, 1).repeat_interleave(4, 2)


def linear_toy(count: int = 3) -> tuple[Linear, AttackBatch, Tensor]:
    """Return a linear encoder, grey images and the (3, 4, 2) gradient over squares of 4 pixels."""
    coarse = blocks(0)
    encoder = Linear(0.003 * enlarged(coarse))
    return encoder, toy_batch(count, torch.tensor([1.0, 0.0]).double()), 0.003 * coarse


def toy_batch(count: int, clean: Tensor) -> AttackBatch:
    """Return grey images of one identity, with a match at (1, 0) and another image at (0, 1)."""
    guides = Guides(torch.eye(2).double(), torch.tensor([1, 2]), torch.tensor([2, 2]))
    ones = torch.ones(count, dtype=torch.long)
    return AttackBatch(
        images=torch.full((count, 3, 16, 8), 0.5).double(),
        pids=ones,
        camids=ones,
        seeds=list(range(100, 100 + count)),
        query_guides=guides,
        gallery_guides=guides,
        query_rows=0 * ones,
        gallery_rows=0 * ones - 1,
        clean=clean.expand(count, -1),
    )


class Angle(nn.Module):
    """The match is nearer than the other image where normal . (image - 0.5) is below an offset."""

    def __init__(self, normal: Tensor, offset: float) -> None:
        super().__init__()
        self.normal, self.offset = nn.Buffer(normal), offset

    def forward(self, images: Tensor) -> Tensor:
        beyond = torch.einsum("nchw,chw->n", images - 0.5, self.normal) - self.offset
        angle = torch.pi / 4 * (1 + torch.tanh(beyond))
        return torch.stack([angle.cos(), angle.sin()], 1)


DISTANCE = 0.1
"""Of the boundary from the clean image, in the maximum norm."""


def boundary_toy(count: int = 1) -> tuple[Angle, AttackBatch]:
    """Return an encoder whose boundary is a plane at `DISTANCE` from grey images.

    The nearest point of {x : n.x = b} in the maximum norm is b / |n|_1 away, along sign(n).
    """
    normal = enlarged(blocks(3).abs() * torch.tensor([1.0, -1.0, 1.0])[:, None, None])
    encoder = Angle(normal, DISTANCE * float(normal.abs().sum()))
    return encoder, toy_batch(count, torch.tensor([1.0, 0.0]).double())
