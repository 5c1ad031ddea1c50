"""Cost of iterated attacks beside the forward and backward passes that they cannot do without.

Counted on a CPU are processor seconds, not those of a clock: other work on the machine then matters
less. An attack and its bare passes take turns, and the fastest repetition of each counts. The last
forward pass, which finds the best iterate, random starts and checks are part of an attack's cost;
other forward passes without a gradient are counted as bare passes of their own. The images are
rendered pedestrians: of how many colours an image is, `color-lut` feels. `ensemble-transfer` is
handed a single surrogate, as the others are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmark.bench.ratio import Clock, Ratio, clock_of
from benchmark.checks.stored_canary import read_images
from benchmark.core.attack import Attack
from benchmark.core.attack_batch import AttackBatch
from benchmark.core.device import choose_device
from benchmark.core.encoder import evaluating
from benchmark.core.guides import Guides
from benchmark.core.iterated_attack import IteratedAttack
from benchmark.core.registry import ATTACKS
from benchmark.core.seeding import derive_seed
from benchmark.models.backbone import BackboneConfig
from benchmark.models.encoder import build_encoder

Rows = Mapping[str, Mapping[str, float]]

_EPS_255 = 8.0
_IDENTITIES = 16
_GALLERY = 256
MOST_OVERHEAD = 1.10


def attack_ratios(
    batch: int = 64, image_size: tuple[int, int] = (64, 32), width: int = 24
) -> Iterator[Ratio]:
    """Yield what attacks take over their bare passes, on small-resnet of width 24 at 64×32."""
    for name, repeats in (("metric-pgd", 3), ("reid-aa", 1)):
        row = bench_attack_overhead(batch, image_size, width, repeats, (name,))[name]
        how = f"a batch of {batch}, processor time, in turn, fastest of {repeats}"
        yield Ratio(f"{name} over its passes", row["ratio"], how, at_most=MOST_OVERHEAD)


def bench_attack_overhead(
    batch: int = 64,
    image_size: tuple[int, int] = (64, 32),
    width: int = 24,
    repeats: int = 3,
    attacks: Sequence[str] = (),
) -> Rows:
    """Iterated attacks over their bare passes, on small-resnet of width 24 at 64×32.

    That is the encoder of the embedded preset. It is so small that the ratio is close to the
    largest that a run can have: what an attack does beside its passes costs the same on any.

    Args:
        batch: Images attacked together.
        image_size: (H, W).
        width: Width of the encoder.
        repeats: Repetitions.
        attacks: Which; all iterated ones by default.

    Returns:
        By attack, its ``steps``, the processor ``seconds`` that it took, those of its ``bare``
        passes and their ``ratio``; the target is 1.10 at most.
    """
    return attack_overheads(BackboneConfig(width=width), batch, image_size, repeats, attacks)


def bench_attack_overhead_resnet18(
    batch: int = 8,
    image_size: tuple[int, int] = (128, 64),
    repeats: int = 1,
    attacks: Sequence[str] = (),
) -> Rows:
    """Iterated attacks over their bare passes, on resnet18 at 128×64.

    Args:
        batch: Images attacked together.
        image_size: (H, W).
        repeats: Repetitions.
        attacks: Which; all by default.

    Returns:
        As `bench_attack_overhead`.
    """
    return attack_overheads(BackboneConfig(name="resnet18"), batch, image_size, repeats, attacks)


def attack_overheads(
    backbone: BackboneConfig,
    batch: int,
    image_size: tuple[int, int],
    repeats: int,
    attacks: Sequence[str],
    device: str = "cpu",
) -> Rows:
    """Time attacks and their bare passes in turn, on an encoder that is not trained.

    Args:
        backbone: Which encoder.
        batch: Images attacked together.
        image_size: (H, W).
        repeats: Repetitions.
        attacks: Which; all iterated ones if empty.
        device: Where; a GPU is timed by the clock.

    Returns:
        As `bench_attack_overhead`.
    """
    torch.manual_seed(0)
    policy = choose_device(device)
    encoder = policy.place(build_encoder(backbone)).eval()
    scene, (clock, _) = _scene(encoder, batch, image_size, policy.device), clock_of(policy.device)
    _bare_passes(encoder, scene.images, 2, 0)  # warms up
    return {
        name: _overhead(attack_at_8(name), encoder, scene, repeats, clock)
        for name in attacks or _iterated()
    }


def _iterated() -> Iterator[str]:
    for name in ATTACKS.names():
        if issubclass(ATTACKS.get(name), IteratedAttack) and name != "metric-fgsm":
            yield name


def attack_at_8(name: str) -> Attack:
    """Return an attack with default options at 8/255."""
    plugin = cast(type[Attack], ATTACKS.get(name))
    return plugin(plugin.parse_config({}), _EPS_255)


def _overhead(
    attack: Attack, encoder: nn.Module, scene: AttackBatch, repeats: int, clock: Clock
) -> dict[str, float]:
    images = len(scene.images)
    bare, attacked = [], []
    for _ in range(repeats):
        start = clock()
        outcome = attack.run(encoder, scene)
        between = clock()
        steps = outcome.backwards // images
        more = max(0, outcome.forwards // images - steps - 1)
        _bare_passes(encoder, scene.images, steps, more)
        attacked.append(between - start)
        bare.append(clock() - between)
    return {
        "steps": steps,
        "seconds": min(attacked),
        "bare": min(bare),
        "ratio": min(attacked) / min(bare),
    }


def _scene(
    encoder: nn.Module, batch: int, image_size: tuple[int, int], device: torch.device
) -> AttackBatch:
    stored = read_images("gallery").tensor(slice(0, batch))
    images = F.interpolate(stored, image_size, mode="bilinear", antialias=True).clamp_(0, 1)
    images = images.to(device, memory_format=torch.channels_last)
    with torch.no_grad():
        clean = encoder(images)
    rows, gallery_rows = (torch.arange(count, device=device) for count in (batch, _GALLERY))
    pids, camids = rows % _IDENTITIES + 1, rows % 6 + 1
    gallery = Guides(
        torch.randn(_GALLERY, clean.shape[1]).to(device),
        gallery_rows % _IDENTITIES + 1,
        gallery_rows % 5 + 1,
    )
    seeds = [derive_seed("bench", row) for row in range(batch)]
    own = Guides(clean, pids, camids)
    return AttackBatch.of_rows(images, seeds, rows, own, gallery)


def _bare_passes(encoder: nn.Module, images: Tensor, steps: int, forwards: int) -> None:
    with evaluating(encoder):
        with torch.no_grad():
            for _ in range(forwards):
                encoder(images)
        for _ in range(steps):
            leaf = images.detach().requires_grad_(True)
            torch.autograd.grad(encoder(leaf).sum(), leaf)
