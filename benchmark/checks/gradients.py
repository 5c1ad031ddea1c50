"""Whether the gradient that a white-box attacker follows is there at all."""

from __future__ import annotations

import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn
from torch.nn import functional as F

from benchmark.core.attack import AttackBatch
from benchmark.core.encoder import evaluating
from benchmark.core.guides import mean_positive

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


def measure_gradients(encoder: nn.Module, batch: AttackBatch) -> Gradients:
    """Differentiate ||f(x) - mean of its matches||^2 on unit embeddings at the clean images.

    Args:
        encoder: The encoder, or what an attacker differentiates instead.
        batch: Images with their guides.
    """
    gradient = metric_gradient(encoder, batch)
    largest = gradient.abs().amax((1, 2, 3))
    return Gradients(
        zero_images=float((largest == 0).float().mean()),
        vanishing_images=float((largest < VANISHING).float().mean()),
        zero_pixels=float((gradient == 0).float().mean()),
        median_largest=float(largest.median()),
    )


def metric_gradient(encoder: nn.Module, batch: AttackBatch) -> Tensor:
    """Return the (B, 3, H, W) gradient; zeros if the embeddings do not depend on the pixels."""
    guides = batch.gallery_guides
    matches = guides.positive_mask(batch.pids, batch.camids, batch.gallery_rows)
    goal = mean_positive(guides, matches, F.normalize(batch.clean), unit=True)
    leaf = batch.images.detach().clone().requires_grad_(True)
    with evaluating(encoder), torch.enable_grad():
        distance = (F.normalize(encoder(leaf)) - goal).square().sum()
    if not distance.requires_grad:
        return torch.zeros_like(leaf)
    (gradient,) = torch.autograd.grad(distance, leaf, allow_unused=True, materialize_grads=True)
    return gradient.detach()
