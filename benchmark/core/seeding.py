"""Seeds that depend on what they are for, never on the order of the work or the batch size."""

from __future__ import annotations

import hashlib
import os
import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


def derive_seed(*parts: object) -> int:
    """Return a 63-bit seed from a purpose, such as ``derive_seed(0, "attack", "0002_c1.jpg")``."""
    digest = hashlib.sha256("\x1f".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def seed_everything(seed: int) -> None:
    """Seed Python, NumPy and torch, and ask torch for repeatable kernels."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    _seed_torch(seed)
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True


@contextmanager
def torch_seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Seed torch's global generators in the body, and put them back after it."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        _seed_torch(seed)
        yield


def _seed_torch(seed: int) -> None:
    """Seed torch's global generators.

    `torch.manual_seed` notes a traceback for every kind of accelerator that is not there, which is
    a twentieth of a training step on tiny images.
    """
    if torch.accelerator.is_available():
        torch.manual_seed(seed)
    else:
        torch.default_generator.manual_seed(seed)


def uniform_noise(seeds: list[int], shape: tuple[int, ...]) -> torch.Tensor:
    """Return (B, *shape) noise, uniform in [-1, 1), drawn on the CPU, one seed an image.

    The same image gets the same noise on every device and in every batch.
    """
    noise = torch.empty(len(seeds), *shape)
    generator = torch.Generator()
    for row, seed in zip(noise, seeds, strict=True):
        generator.manual_seed(seed)
        row.uniform_(-1.0, 1.0, generator=generator)
    return noise
