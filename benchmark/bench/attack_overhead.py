"""Cost of iterated attacks beside the forward and backward passes that they cannot do without."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from benchmark.core.attack import Attack, AttackBatch
from benchmark.core.encoder import evaluating
from benchmark.core.guides import Guides
from benchmark.core.iterated_attack import IteratedAttack
from benchmark.core.registry import ATTACKS
from benchmark.core.seeding import derive_seed
from benchmark.models.config import BackboneConfig
from benchmark.models.encoder import build_encoder

_EPS_255 = 8.0
_IDENTITIES = 16
_GALLERY = 256


def bench_attack_overhead(
    batch: int = 64,
    image_size: tuple[int, int] = (64, 32),
    width: int = 24,
    repeats: int = 3,
) -> dict[str, dict[str, float]]:
    """Time every iterated attack and its bare passes (small-resnet, eval mode).

    An attack and its bare passes are timed in turn, so that other load on the machine hits both,
    and the fastest repetition of each counts. The last forward pass, which finds the best iterate,
    random starts and checks are part of an attack's cost; other forward passes without a gradient
    are counted as bare passes of their own.

    Args:
        batch: Images attacked together.
        image_size: (H, W).
        width: Width of the encoder.
        repeats: Repetitions.

    Returns:
        ``seconds`` of each, those of its ``bare`` passes and their ``ratio``; the target is 1.10
        at most.
    """
    torch.manual_seed(0)
    encoder = build_encoder(BackboneConfig(width=width)).eval()
    encoder.to(memory_format=torch.channels_last)
    scene = _scene(encoder, batch, image_size)
    return {name: _overhead(attack, encoder, scene, repeats) for name, attack in _iterated()}


def _iterated() -> Iterator[tuple[str, Attack]]:
    for name in ATTACKS.names():
        plugin = ATTACKS.get(name)
        if issubclass(plugin, IteratedAttack) and name != "metric-fgsm":
            yield name, plugin(plugin.parse_config({}), _EPS_255)


def _overhead(
    attack: Attack, encoder: nn.Module, scene: AttackBatch, repeats: int
) -> dict[str, float]:
    first = attack.run(encoder, scene)  # warms up and tells the passes
    images = len(scene.images)
    steps = first.backwards // images
    more = max(0, first.forwards // images - steps - 1)
    bare, attacked = [], []
    for _ in range(repeats):
        bare.append(_seconds(lambda: _bare_passes(encoder, scene.images, steps, more)))
        attacked.append(_seconds(lambda: attack.run(encoder, scene)))
    return {
        "steps": steps,
        "seconds": min(attacked),
        "bare": min(bare),
        "ratio": min(attacked) / min(bare),
    }


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


def _bare_passes(encoder: nn.Module, images: Tensor, steps: int, forwards: int) -> None:
    with evaluating(encoder):
        with torch.no_grad():
            for _ in range(forwards):
                encoder(images)
        for _ in range(steps):
            leaf = images.detach().requires_grad_(True)
            torch.autograd.grad(encoder(leaf).sum(), leaf)


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
