"""The inner maximisation with an objective of the defense's own, on everything the model returns.

    x_0 = P(x + u),  u ~ U(-start * eps, start * eps)
    x_{t+1} = P(x_t + alpha * sign(grad J(x_t)))

P projects onto the ball around the clean image and the pixel box (Madry et al., ICLR 2018). Unlike
an attack of the registry it sees the identity classifier, and its radius may differ by image.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor, nn

from benchmark.core.defense import Output
from benchmark.core.encoder import evaluating

Objective = Callable[[Output], Tensor]
"""From the output for the current images to (B,) values, or their sum, to maximise."""


def ascend(
    model: nn.Module,
    objective: Objective,
    clean: Tensor,
    *,
    noise: Tensor,
    radius: float | Tensor,
    step_size: float | Tensor,
    steps: int,
    autocast: torch.dtype | None = None,
) -> Tensor:
    """Return the last iterate of projected gradient ascent, with the model in eval mode.

    Args:
        model: From images to an `Output`; batch statistics are neither used nor updated.
        objective: What is maximised.
        clean: (B, 3, H, W) images in [0, 1].
        noise: (B, 3, H, W) first perturbation in pixel units; it is projected.
        radius: Of the ball, in pixel units, one for all or (B,).
        step_size: In pixel units, one for all or (B,).
        steps: Gradient steps.
        autocast: Precision of the model; its output arrives in float32. None: float32.
    """
    radius, step_size = by_image(radius), by_image(step_size)
    lower, upper = (clean - radius).clamp_min_(0), (clean + radius).clamp_max_(1)
    images = torch.clamp(clean + noise, lower, upper)
    precise = torch.autocast(clean.device.type, enabled=False)
    with evaluating(model), torch.enable_grad(), precise:
        for _ in range(steps):
            images = images.detach().requires_grad_(True)
            output = in_precision(model, images, autocast)
            (gradient,) = torch.autograd.grad(objective(output).sum(), images)
            with torch.no_grad():
                images = torch.clamp(images + step_size * gradient.sign(), lower, upper)
    return images.detach()


def by_image(value: float | Tensor) -> float | Tensor:
    """Return a value, or (B, 1, 1, 1) ones of (B,), to multiply (B, 3, H, W) images with."""
    return value[:, None, None, None] if isinstance(value, Tensor) else value


def in_precision(model: nn.Module, images: Tensor, autocast: torch.dtype | None) -> Output:
    """Return what a model gives for images in a precision, as float32; None: as it computes."""
    if autocast is None:
        return cast(Output, model(images))
    with torch.autocast(images.device.type, dtype=autocast):
        output = cast(Output, model(images))
        return Output(output.features.float(), output.embeddings.float(), output.logits.float())
