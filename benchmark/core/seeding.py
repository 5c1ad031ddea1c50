"""Seeds that depend on what they are for, never on the order of the work or the batch size."""

from __future__ import annotations

import hashlib
import math
import os
import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

from benchmark.core.philox import uniform_draws

CPU = torch.device("cpu")


def derive_seed(*parts: object) -> int:
    """Return a 63-bit seed from a purpose, such as ``derive_seed(0, "attack", "0002_c1.jpg")``."""
    digest = hashlib.sha256("\x1f".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def seed_everything(seed: int) -> None:
    """Seed Python, NumPy and torch, and ask torch for repeatable kernels."""
    seed_generators(seed)
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True


def seed_generators(seed: int) -> None:
    """Seed the global generators of Python, NumPy and torch."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    _seed_torch(seed)


@contextmanager
def fastest_kernels() -> Iterator[None]:
    """Let cuDNN try its kernels in the body and take the fastest, repeatable or not."""
    reduced = torch.backends.cudnn.allow_tf32
    with torch.backends.cudnn.flags(benchmark=True, deterministic=False, allow_tf32=reduced):
        yield


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


def uniform_noise(
    seeds: list[int], shape: tuple[int, ...], device: torch.device = CPU
) -> torch.Tensor:
    """Return (B, *shape) noise, uniform in [-1, 1), one seed an image.

    The same image gets the same noise in every batch. It is drawn on the device: on a GPU by
    counting (`uniform_draws`), on the CPU image by image from torch's generator, as always.

    Args:
        seeds: One an image.
        shape: Of the noise of an image.
        device: Where it is drawn and stays.
    """
    if device.type != "cpu":
        return counted_noise(seeds, shape, device)
    noise = torch.empty(len(seeds), *shape)
    generator = torch.Generator()
    for row, seed in zip(noise, seeds, strict=True):
        generator.manual_seed(seed)
        row.uniform_(-1.0, 1.0, generator=generator)
    return noise


def counted_noise(seeds: list[int], shape: tuple[int, ...], device: torch.device) -> torch.Tensor:
    """Return (B, *shape) noise, uniform in [-1, 1), that is the same on every device."""
    draws = uniform_draws(seeds, math.prod(shape), device)
    return draws.mul_(2).sub_(1).view(len(seeds), *shape)
