"""The feature discriminator: tell clean from adversarial embeddings; the encoder learns to hide it.

    min over E, max over D of  log D(E(x)) + log(1 - D(E(x_adv)))   (Zhou et al., AAAI 2026)

By default one backward pass serves both sides: the embeddings pass a gradient reversal (Ganin and
Lempitsky, ICML 2015) on their way to D. `defenses.ddid.alternating` lets the two take turns
instead. Architecture and weight were not published: chosen.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm


class FeatureDiscriminator(nn.Module):
    """Two-layer perceptron from an embedding to the logit of being clean.

    Args:
        embedding_dim: D.
        hidden: Width of the hidden layer.
    """

    def __init__(self, embedding_dim: int, hidden: int = 512) -> None:
        super().__init__()
        self.hidden = spectral_norm(nn.Linear(embedding_dim, hidden))
        self.out = spectral_norm(nn.Linear(hidden, 1))

    def forward(self, embeddings: Tensor) -> Tensor:
        """Return (B,) logits for (B, D) embeddings."""
        logits: Tensor = self.out(F.leaky_relu(self.hidden(embeddings), 0.2))
        return logits.squeeze(1)


def reverse_gradient(values: Tensor, weight: float) -> Tensor:
    """Return `values` unchanged; their gradient is multiplied by ``-weight``."""
    return (1 + weight) * values.detach() - weight * values


def log_likelihood(discriminator: nn.Module, clean: Tensor, adversarial: Tensor) -> Tensor:
    """Return mean log D(clean) + mean log(1 - D(adversarial)), the value of the game.

    Embeddings go to D on the sphere of radius sqrt(D), as ranking compares directions only.

    Args:
        discriminator: From (B, D) embeddings to (B,) logits of being clean.
        clean: (B, D) embeddings of clean images.
        adversarial: (B', D) embeddings of adversarial images.
    """
    embeddings = torch.cat([clean, adversarial]).float()
    return -_cross_entropy(discriminator, embeddings, len(clean))


def discriminator_loss(
    discriminator: nn.Module, clean: Tensor, adversarial: Tensor, weight: float
) -> Tensor:
    """Return -log D(clean) - log(1 - D(adversarial)), averaged.

    The discriminator descends it; the encoder, behind the reversal, ascends it `weight` times.

    Args:
        discriminator: From (B, D) embeddings to (B,) logits of being clean.
        clean: (B, D) embeddings of clean images.
        adversarial: (B, D) embeddings of adversarial images.
        weight: Weight of the encoder's side.
    """
    embeddings = reverse_gradient(torch.cat([clean, adversarial]).float(), weight)
    return _cross_entropy(discriminator, embeddings, len(clean))


def _cross_entropy(discriminator: nn.Module, embeddings: Tensor, clean: int) -> Tensor:
    logits = discriminator(F.normalize(embeddings) * embeddings.shape[1] ** 0.5)
    on_clean, on_adversarial = logits.split([clean, len(embeddings) - clean])
    return F.softplus(-on_clean).mean() + F.softplus(on_adversarial).mean()
