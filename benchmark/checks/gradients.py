"""Whether the gradient that a white-box attacker follows is there at all."""

from __future__ import annotations

import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn
from torch.nn import functional as F

from benchmark.core.batches import Batches, all_at_once
from benchmark.core.encoder import embed, encoder_faults, evaluating

VANISHING = 1e-9
"""Largest gradient of an image, per unit of pixel value, below which it has vanished."""


class Gradients(BaseModel):
    """Gradient of the distance to the true matches with respect to the pixels."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    zero_images: float
    """Share of the images whose gradient is exactly zero."""
    vanishing_images: float
    """Share of the images whose gradient is nowhere above 1e-9, zero ones among them."""
    zero_pixels: float
    """Share of the pixel values whose gradient is exactly zero."""
    median_largest: float
    """Median over the images of the largest absolute gradient."""


def measure_gradients(
    encoder: nn.Module,
    images: Tensor,
    goal: Tensor,
    owner: str,
    batches: Batches | None = None,
) -> Gradients:
    """Differentiate ||f(x) - goal||^2 on unit embeddings f at the clean images.

    Args:
        encoder: The encoder, or what an attacker differentiates instead.
        images: (B, 3, H, W) clean images.
        goal: (B, D) what an attacker pushes away from: the mean of the true matches.
        owner: Name of the defense, for error messages.
        batches: Go through all of the images; None: at once.

    Raises:
        PluginError: The encoder raises, or returns a wrong shape, NaN or infinities.
    """
    gradient = torch.empty_like(images)

    def differentiate(rows: slice) -> None:
        gradient[rows] = _gradient(encoder, images[rows], goal[rows], owner)

    (batches or all_at_once(images, owner)).run(differentiate)
    largest = gradient.abs().amax((1, 2, 3))
    return Gradients(
        zero_images=float((largest == 0).float().mean()),
        vanishing_images=float((largest < VANISHING).float().mean()),
        zero_pixels=float((gradient == 0).float().mean()),
        median_largest=float(largest.median()),
    )


def has_graph(encoder: nn.Module, images: Tensor, owner: str) -> bool:
    """Whether autograd can differentiate the embeddings of (B, 3, H, W) images at all."""
    leaf = images.detach().clone().requires_grad_(True)
    with evaluating(encoder), torch.enable_grad():
        return embed(encoder, leaf, owner).requires_grad


def _gradient(encoder: nn.Module, images: Tensor, goal: Tensor, owner: str) -> Tensor:
    """Return the (B, 3, H, W) gradient; zeros if the embeddings do not depend on the pixels."""
    leaf = images.detach().clone().requires_grad_(True)
    with evaluating(encoder), torch.enable_grad():
        distance = (F.normalize(embed(encoder, leaf, owner)) - goal).square().sum()
    if not distance.requires_grad:
        return torch.zeros_like(leaf)
    with encoder_faults(owner, " in its gradient"):
        (gradient,) = torch.autograd.grad(distance, leaf)
    return gradient
