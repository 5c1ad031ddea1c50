"""Adversarial copies of training images, made once on a frozen encoder before a training."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from benchmark.core.attack import Attack, AttackBatch, round_to_8_bits
from benchmark.core.device import DevicePolicy
from benchmark.core.guides import Guides
from benchmark.core.progress import Progress
from benchmark.core.seeding import derive_seed
from benchmark.data.records import ImageSet
from benchmark.metrics.embedding import embed_images

BATCH = 256


def attack_images(
    encoder: nn.Module,
    attack: Attack,
    images: ImageSet,
    *,
    policy: DevicePolicy,
    seed: int,
    progress: Progress,
) -> ImageSet:
    """Return 8-bit adversarial copies of images, guided by the clean images of the same set.

    Guides of the same camera do not count, as in ranking; an image never guides itself.

    Args:
        encoder: What is attacked.
        attack: The attack.
        images: Training images.
        policy: Where to run.
        seed: Seed of what is random in the attack.
        progress: Where to report.
    """
    device = policy.device
    embeddings = embed_images(encoder, images, policy=policy, batch=BATCH, owner=attack.owner)
    pids, camids = (torch.from_numpy(a).to(device) for a in (images.pids, images.camids))
    guides = Guides(embeddings.to(device), pids, camids)
    parts = []
    with progress.task(f"{attack.name} on training images", len(images)) as bar:
        for first in range(0, len(images), BATCH):
            rows = torch.arange(first, min(first + BATCH, len(images)), device=device)
            clean = images.tensor(rows.cpu().numpy()).to(device)
            batch = AttackBatch(
                images=clean,
                pids=pids[rows],
                camids=camids[rows],
                seeds=[derive_seed(seed, images.names[row]) for row in rows.tolist()],
                query_guides=guides,
                gallery_guides=guides,
                query_rows=rows,
                gallery_rows=rows,
                clean=guides.embeddings[rows],
            )
            crafted = round_to_8_bits(attack.run(encoder, batch).images, clean, attack.eps_255)
            parts.append(crafted.mul(255).round().byte().permute(0, 2, 3, 1).cpu().numpy())
            bar.advance(len(rows))
    return ImageSet(np.concatenate(parts), images.pids, images.camids, images.names)
