"""Adversarial copies of training images, made once on a frozen encoder before a training."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from benchmark.core.attack import Attack
from benchmark.core.attack_batch import AttackBatch
from benchmark.core.defense import Copies
from benchmark.core.device import DevicePolicy
from benchmark.core.guides import Guides
from benchmark.core.image_set import ImageSet
from benchmark.core.legal_images import round_to_8_bits
from benchmark.core.progress import Progress
from benchmark.core.seeding import derive_seed
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
) -> Copies:
    """Return 8-bit adversarial copies of images, guided by the clean images of the same set.

    Guides of the same camera do not count, as in ranking, unless the identity was seen by no other
    camera; an image never guides itself. An attack that starts from the image itself leaves an
    identity of a single image as it is.

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
    own = Guides.of(images, embeddings, device)
    guides = replace(own, camids=torch.from_numpy(_cameras_of_guides(images)).to(device))
    parts, forwards, backwards = [], len(images), 0
    with progress.task(f"{attack.name} on training images", len(images)) as bar:
        for first in range(0, len(images), BATCH):
            rows = torch.arange(first, min(first + BATCH, len(images)), device=device)
            clean = images.tensor(rows.cpu().numpy()).to(device)
            seeds = [derive_seed(seed, images.names[row]) for row in rows.tolist()]
            batch = AttackBatch.of_rows(clean, seeds, rows, own, guides)
            batch = replace(batch, query_guides=guides, gallery_rows=rows)
            outcome = attack.run(encoder, batch)
            forwards, backwards = forwards + outcome.forwards, backwards + outcome.backwards
            crafted = round_to_8_bits(outcome.images, clean, attack.eps_255)
            parts.append(crafted.mul(255).round().byte().permute(0, 2, 3, 1).cpu().numpy())
            bar.advance(len(rows))
    copies = ImageSet(np.concatenate(parts), images.pids, images.camids, images.names)
    return Copies(copies, forwards, backwards)


def _cameras_of_guides(images: ImageSet) -> NDArray[np.int64]:
    """Return the cameras, -1 for identities of one camera, whose images then guide each other."""
    cameras = images.camids.copy()
    for pid in images.identities:
        own = images.pids == pid
        if len(np.unique(images.camids[own])) == 1:
            cameras[own] = -1
    return cameras
