"""Cost of metric PGD beside the forward and backward passes that it cannot do without."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from benchmark.core.attack import Attack, AttackBatch
from benchmark.core.encoder import evaluating
from benchmark.core.guides import Guides
from benchmark.core.registry import ATTACKS
from benchmark.core.seeding import derive_seed
from benchmark.models.config import BackboneConfig
from benchmark.models.encoder import build_encoder

_EPS_255 = 8.0
_IDENTITIES = 16
_GALLERY = 256


def bench_attack_overhead(
    steps: int = 20,
    batch: int = 64,
    image_size: tuple[int, int] = (64, 32),
    width: int = 24,
    repeats: int = 5,
) -> dict[str, dict[str, float]]:
    """Time metric PGD and as many bare forward and backward passes (small-resnet, eval mode).

    The two are timed in turn, so that other load on the machine hits both, and the fastest
    repetition of each counts. The attack's last forward pass, which finds the best iterate, its
    random start and its checks are part of its cost.

    Args:
        steps: Gradient steps of the attack.
        batch: Images attacked together.
        image_size: (H, W).
        width: Width of the encoder.
        repeats: Repetitions.

    Returns:
        ``seconds`` of each, and their ``ratio``; the target is 1.10 at most.
    """
    torch.manual_seed(0)
    encoder = build_encoder(BackboneConfig(width=width)).eval()
    encoder.to(memory_format=torch.channels_last)
    attack = _metric_pgd(steps)
    scene = _scene(encoder, batch, image_size)
    bare, attacked = [], []
    for _ in range(repeats + 1):
        bare.append(_seconds(lambda: _bare_passes(encoder, scene.images, steps)))
        attacked.append(_seconds(lambda: attack.run(encoder, scene)))
    fastest_bare, fastest_attacked = min(bare[1:]), min(attacked[1:])  # the first warms up
    return {
        f"{steps} bare forward + backward": {"seconds": fastest_bare, "ratio": 1.0},
        f"metric-pgd, {steps} steps": {
            "seconds": fastest_attacked,
            "ratio": fastest_attacked / fastest_bare,
        },
    }


def _metric_pgd(steps: int) -> Attack:
    plugin = ATTACKS.get("metric-pgd")
    assert issubclass(plugin, Attack)
    return plugin(plugin.parse_config({"steps": steps}), _EPS_255)


def _scene(encoder: nn.Module, batch: int, image_size: tuple[int, int]) -> AttackBatch:
    images = torch.rand(batch, 3, *image_size).to(memory_format=torch.channels_last)
    with torch.no_grad():
        clean = encoder(images)
    pids = torch.arange(batch) % _IDENTITIES + 1
    camids = torch.arange(batch) % 6 + 1
    gallery = Guides(
        torch.randn(_GALLERY, clean.shape[1]),
        torch.arange(_GALLERY) % _IDENTITIES + 1,
        torch.arange(_GALLERY) % 5 + 1,
    )
    return AttackBatch(
        images=images,
        pids=pids,
        camids=camids,
        seeds=[derive_seed("bench", row) for row in range(batch)],
        query_guides=Guides(clean, pids, camids),
        gallery_guides=gallery,
        query_rows=torch.arange(batch),
        gallery_rows=torch.full((batch,), -1),
        clean=clean,
    )


def _bare_passes(encoder: nn.Module, images: Tensor, steps: int) -> None:
    with evaluating(encoder):
        for _ in range(steps):
            leaf = images.detach().requires_grad_(True)
            torch.autograd.grad(encoder(leaf).sum(), leaf)


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
