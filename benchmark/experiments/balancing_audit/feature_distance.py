"""A perceptual distance between images on all scales of a ReID encoder.

    d(x, y) = mean over scales and places of || u_l(x) - u_l(y) ||^2

u_l is the feature map of scale l, of length 1 over the channels at each place. This is LPIPS
(Zhang et al., CVPR 2018) without its learned weights, and on a ReID encoder in place of an
ImageNet network, as no weights are fetched: its numbers compare with each other only.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from benchmark.core.device import DevicePolicy
from benchmark.core.encoder import evaluating
from benchmark.core.image_set import ImageSet
from benchmark.core.seeding import derive_seed

_BATCH = 64


@torch.no_grad()
def feature_distance(encoder: nn.Module, first: Tensor, second: Tensor) -> Tensor:
    """Return (B,) distances between (B, 3, H, W) images, pair by pair.

    Args:
        encoder: With a `trunk` of several stages; the last map of each size counts.
        first: Images in [0, 1].
        second: Images in [0, 1].
    """
    with evaluating(encoder), _maps(encoder) as maps:
        encoder(torch.cat([first, second]))
    scales = []
    for one in maps.values():
        here, there = F.normalize(one.float(), dim=1).chunk(2)
        scales.append((here - there).square().sum(1).mean((1, 2)))
    return torch.stack(scales).mean(0)


@contextmanager
def _maps(encoder: nn.Module) -> Iterator[dict[tuple[int, int], Tensor]]:
    """Collect the feature maps of the trunk's stages, the last one of each size."""
    maps: dict[tuple[int, int], Tensor] = {}

    def keep(module: nn.Module, inputs: object, output: object) -> None:
        if isinstance(output, Tensor) and output.ndim == 4:
            maps[(int(output.shape[2]), int(output.shape[3]))] = output.detach()

    trunk = getattr(encoder, "trunk", encoder)
    hooks = [stage.register_forward_hook(keep) for stage in trunk.children()]
    try:
        yield maps
    finally:
        for hook in hooks:
            hook.remove()


def distance_within(
    encoder: nn.Module,
    images: ImageSet,
    identities: NDArray[np.int64],
    *,
    pairs: int,
    policy: DevicePolicy,
    seed: int,
) -> float | None:
    """Return the mean distance between two images of one identity, identities even.

    Args:
        encoder: As for `feature_distance`, on the policy's device.
        images: Images.
        identities: Which to count; those with fewer than two images do not.
        pairs: Most pairs drawn of an identity.
        policy: Where to run.
        seed: Seed of the choice of pairs.

    Returns:
        None if no identity has two images.
    """
    chosen, owner = [], []
    for pid in identities.tolist():
        rows = np.flatnonzero(images.pids == pid)
        every = np.stack(np.triu_indices(len(rows), 1), axis=1)
        if len(every):
            rng = np.random.default_rng(derive_seed(seed, "pairs", pid))
            kept = rng.permutation(len(every))[:pairs]
            chosen.append(rows[every[kept]])
            owner.append(np.full(len(kept), pid))
    if not chosen:
        return None
    both, label = np.concatenate(chosen), np.concatenate(owner)
    parts = []
    for start in range(0, len(both), _BATCH):
        one, other = (images.tensor(column) for column in both[start : start + _BATCH].T)
        found = feature_distance(encoder, one.to(policy.device), other.to(policy.device))
        parts.append(found.double().cpu().numpy())
    distances = np.concatenate(parts)
    return float(np.mean([distances[label == pid].mean() for pid in np.unique(label)]))
