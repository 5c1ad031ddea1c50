"""Legal adversarial images: in the ball around the clean ones, in the pixel box, on 8 bits."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from benchmark.core.digits import told_apart
from benchmark.core.errors import PluginError
from benchmark.core.late_checks import LateChecks

BALL_TOLERANCE = 1e-6


def check_legal(
    returned: object, clean: Tensor, eps_255: float, attack: str, checks: LateChecks
) -> Tensor:
    """Return what an attack returned, detached, if it is legal.

    Args:
        returned: What should be one image for each clean one.
        clean: (B, 3, H, W) clean images.
        eps_255: Radius of the ball around them, in 1/255.
        attack: Name of the attack, for error messages.
        checks: Judges the pixels, perhaps later.

    Raises:
        PluginError: It left the ball or the pixel box, or is something else than one finite
            image for each clean one, of the same type.
    """
    if not isinstance(returned, Tensor):
        raise PluginError(
            f"attack {attack!r} returned {type(returned).__name__}, not images",
            "return one adversarial image for each clean one",
        )
    images = returned.detach()
    if images.shape != clean.shape or images.dtype != clean.dtype:
        raise PluginError(
            f"attack {attack!r} returned shape {tuple(images.shape)} of {images.dtype}, "
            f"not {tuple(clean.shape)} of {clean.dtype}",
            "return one adversarial image for each clean one",
        )
    checks.add(
        torch.stack([(images - clean).abs_().amax(), images.amin(), images.amax()]),
        lambda pixels: _judge_pixels(pixels, eps_255, attack),
    )
    return images


def _judge_pixels(pixels: list[float], eps_255: float, attack: str) -> None:
    distance, low, high = pixels
    if not (math.isfinite(low) and math.isfinite(high)):
        raise PluginError(f"attack {attack!r} returned NaN pixels", "check its gradients")
    if distance > eps_255 / 255 + BALL_TOLERANCE:
        raise PluginError(
            f"attack {attack!r} left the ball: "
            f"{told_apart(255 * distance, eps_255, 3)[0]}/255 > "
            f"{eps_255:g}/255",
            "project around the clean image with self.project()",
        )
    if low < -BALL_TOLERANCE or high > 1 + BALL_TOLERANCE:
        raise PluginError(
            f"attack {attack!r} left the pixel box: "
            f"[{told_apart(low, 0, 4)[0]}, {told_apart(high, 1, 4)[0]}]",
            "project with self.project()",
        )


def round_to_8_bits(images: Tensor, clean: Tensor, eps_255: float) -> Tensor:
    """Return `images` on the 8-bit grid, within `eps_255` of the 8-bit `clean` images.

    Each pixel goes to the nearest grid value inside the budget, as an image saved as PNG would.
    """
    limit = float(int(eps_255 + 1e-4))
    steps = ((images - clean) * 255).round_().clamp_(-limit, limit)
    return ((clean * 255).round_() + steps).clamp_(0, 255).div_(255)
