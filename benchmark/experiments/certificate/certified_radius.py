"""How far a smoothed query may move, in L2, and still have an image of its identity at rank 1.

For unit embeddings f and f'(x) = E f(x + z), z ~ N(0, sigma^2 I), a gallery vector p ranks before
n if and only if h = <f'(x), u> > 0 with the unit vector u = (p - n) / ||p - n||. The map
x -> (1 + h) / 2 is the mean of a function with values in [0, 1] under Gaussian noise, so
Phi^-1((1 + h) / 2) is 1/sigma-Lipschitz in x (Salman et al., NeurIPS 2019, lemma 2), and p stays
before n within

    R_pn = sigma Phi^-1((1 + h) / 2)

A positive p is ahead of all negatives within min_n R_pn; Rank-1 holds within the largest of these.
h is not known but estimated from draws: one part of them chooses p, the other gives lower bounds
that hold for all n at once with probability 1 - alpha (empirical Bernstein, Maurer and Pontil, COLT
2009, with Bonferroni over n).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from benchmark.core.encoder import embed

_BATCH = 250
"""Copies at once. How many are drawn at once changes which noise a seed gives."""


@torch.no_grad()
def noisy_embeddings(
    encoder: nn.Module, image: Tensor, sigma: float, draws: int, *, seed: int
) -> Tensor:
    """Return (draws, D) float64 unit embeddings of noisy copies of one (3, H, W) image.

    Args:
        encoder: Embeds single images; what is smoothed.
        image: In [0, 1].
        sigma: Standard deviation of the noise.
        draws: Noisy copies.
        seed: Seed of the noise, drawn on the CPU.
    """
    generator = torch.Generator().manual_seed(seed)
    parts = []
    for first in range(0, draws, _BATCH):
        count = min(_BATCH, draws - first)
        noise = torch.randn((count, *image.shape), generator=generator).to(image.device)
        parts.append(F.normalize(embed(encoder, image + sigma * noise, "smoothing").double()))
    return torch.cat(parts)


def certified_radius(
    selection: Tensor,
    estimation: Tensor,
    positives: Tensor,
    negatives: Tensor,
    *,
    sigma: float,
    alpha: float,
) -> float:
    """Return the L2 radius within which Rank-1 holds with confidence 1 - alpha; 0 if none does.

    Args:
        selection: (m, D) unit embeddings of noisy copies; they choose the positive.
        estimation: (n, D) of other copies, n > 1; they bound how far it is ahead.
        positives: (P, D) unit gallery vectors of the query's identity.
        negatives: (N, D) unit gallery vectors of other identities.
        sigma: Standard deviation of the noise, for pixels in [0, 1].
        alpha: Probability that the certificate is wrong.
    """
    if len(positives) == 0:
        return 0.0
    if len(negatives) == 0:
        return float("inf")
    ahead = torch.stack([_directions(p, negatives) @ selection.mean(0) for p in positives])
    chosen = positives[int(ahead.amin(1).argmax())]
    values = estimation @ _directions(chosen, negatives).T
    return float(radius_of(lower_bounds(values, alpha).amin(), sigma).clamp(min=0))


def radius_of(ahead: Tensor, sigma: float) -> Tensor:
    """Return sigma Phi^-1((1 + h) / 2) of h in [-1, 1]."""
    quantile: Tensor = torch.special.ndtri((1 + ahead.clamp(-1, 1)) / 2)
    return sigma * quantile


def lower_bounds(values: Tensor, alpha: float) -> Tensor:
    """Return lower bounds of K means that hold together with probability 1 - alpha.

    Args:
        values: (n, K) independent draws, a column for each mean, in [-1, 1]; n > 1.
        alpha: Probability that some bound is wrong.
    """
    count, means = values.shape
    log = float(np.log(2 * means / alpha))
    spread = (2 * values.var(0) * log / count).sqrt()
    bounds: Tensor = values.mean(0) - spread - 2 * 7 * log / (3 * (count - 1))
    return bounds


def certified_rank1(radii: Sequence[float] | NDArray[np.float64], at: float) -> float:
    """Return the percentage of queries whose Rank-1 is certified at a radius and beyond it."""
    found = np.asarray(radii, np.float64)
    return float(100 * np.mean((found > 0) & (found >= at)))


def _directions(positive: Tensor, negatives: Tensor) -> Tensor:
    """Return (N, D) unit vectors from negatives to a positive; 0 where they coincide."""
    return F.normalize(positive - negatives, eps=1e-9)
