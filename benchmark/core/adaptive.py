"""Adaptive views of an encoder: what a white-box attacker differentiates instead of it.

Athalye et al., "Obfuscated Gradients Give a False Sense of Security" (ICML 2018): the expectation
over random draws (EOT), and a stand-in on the backward pass (BPDA).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmark.core.defense import Defense


def adaptive_view(encoder: nn.Module, defense: Defense, samples: int) -> nn.Module:
    """Return what a white-box attacker who knows the defense differentiates.

    Args:
        encoder: The trained encoder.
        defense: Its declaration decides; an encoder that declares nothing is its own view.
        samples: Random draws of EOT.
    """
    view = encoder
    if defense.adaptive.non_differentiable:
        surrogate = defense.surrogate(encoder)
        view = encoder if surrogate is None else BackwardThrough(encoder, surrogate)
    return ExpectedEncoder(view, samples) if defense.adaptive.random else view


class ExpectedEncoder(nn.Module):
    """EOT: the mean unit embedding over several random draws of an encoder.

    Args:
        encoder: Draws random numbers at each call.
        samples: Draws.
    """

    def __init__(self, encoder: nn.Module, samples: int) -> None:
        super().__init__()
        self.encoder, self.samples = encoder, samples

    def forward(self, images: Tensor) -> Tensor:
        """Return (B, D) mean unit embeddings; draws of one image go forward together."""
        repeated = images.repeat_interleave(self.samples, dim=0)
        draws: Tensor = F.normalize(self.encoder(repeated))
        return draws.reshape(len(images), self.samples, -1).mean(1)


class BackwardThrough(nn.Module):
    """BPDA: the embeddings of one encoder with the gradient of another.

    Args:
        encoder: Gives the values.
        surrogate: Gives the gradient; differentiable, with embeddings of the same width.
    """

    def __init__(self, encoder: nn.Module, surrogate: nn.Module) -> None:
        super().__init__()
        self.encoder, self.surrogate = encoder, surrogate

    def forward(self, images: Tensor) -> Tensor:
        """Return (B, D) embeddings of `encoder`."""
        smooth: Tensor = self.surrogate(images.clone())  # it may write on what it is given
        with torch.no_grad():
            exact = self.encoder(images.clone())
        embeddings: Tensor = smooth + (exact - smooth).detach()
        return embeddings
