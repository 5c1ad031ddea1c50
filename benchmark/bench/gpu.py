"""What a GPU achieves: steps and attacks beside bare passes, share of its matrix rate, TF32."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmark.bench.attack_overhead import attack_at_8, attack_overheads
from benchmark.bench.bare_step import bench_bare_step
from benchmark.bench.ratio import Ratio, clock_of, fastest_in_turn
from benchmark.checks.precision_agreement import AGREEMENT_MAP, agreement_on_canary
from benchmark.core.crafting_precision import CraftingPrecision, crafting_in, has_tf32
from benchmark.core.device import DevicePolicy, choose_device
from benchmark.core.encoder import evaluating
from benchmark.core.progress import SilentProgress
from benchmark.models.backbone import BackboneConfig
from benchmark.models.encoder import ReIDModel, build_encoder

_BATCH = 64
PRECISIONS: tuple[CraftingPrecision, ...] = ("float32", "tf32")


@dataclass(frozen=True)
class GpuSize:
    """How large what is measured is; the default is the network of the targets.

    Attributes:
        backbone: Which encoder.
        image_size: (H, W).
        batches: Steps of a training; the first of them warm up.
        matrix: Rows and columns of the matrices that are multiplied.
        repeats: Repetitions.
        attack: Which attack is timed.
    """

    backbone: BackboneConfig = field(default_factory=lambda: BackboneConfig(name="resnet50"))
    image_size: tuple[int, int] = (256, 128)
    batches: int = 20
    matrix: int = 8192
    repeats: int = 3
    attack: str = "reid-aa"


def gpu_ratios() -> Iterator[Ratio]:
    """Yield what a GPU achieves; nothing without one."""
    if torch.cuda.is_available():
        yield from ratios_on("cuda", GpuSize())


def ratios_on(device: str, size: GpuSize) -> Iterator[Ratio]:
    """Yield what a device achieves.

    Args:
        device: ``cpu`` or ``cuda``.
        size: How large what is measured is.
    """
    policy = choose_device(device)
    on_gpu = policy.device.type == "cuda"
    name = torch.cuda.get_device_name() if on_gpu else policy.device.type
    yield from _trainings(policy, size, name)
    how = f"{name}, batches of {_BATCH}, in turn, fastest of {size.repeats}"
    rows = attack_overheads(
        size.backbone, _BATCH, size.image_size, size.repeats, (size.attack,), device
    )
    for attack, row in rows.items():
        share = 1 / row["ratio"]
        yield Ratio(f"passes of {attack} over it ({_said(size)})", share, how, at_least=0.9)
    yield from _precisions(policy, size, how)


def _trainings(policy: DevicePolicy, size: GpuSize, device: str) -> Iterator[Ratio]:
    """Yield the share of bare passes in two trainings, and of the matrix rate in one."""
    for name, at_least in (("none", 0.9), ("metric-at", 0.85)):
        row = bench_bare_step(
            name,
            size.image_size,
            size.backbone,
            inner_steps=1,
            batches=size.batches,
            device=policy.device.type,
        )
        how = f"{device}, {_BATCH / row['step']:.0f} images/s, median of neighbours"
        what = f"passes of a step of {name} over it ({_said(size)})"
        yield Ratio(what, 1 / row["ratio"], how, at_least=at_least)
        if name == "none":
            rate = matrix_rate(policy.device, size.matrix, size.repeats)
            flops = _BATCH * update_flops(size.backbone, size.image_size)
            yield Ratio(
                f"rate of a step of {name} over bfloat16 matrices",
                flops / row["step"] / rate,
                f"{rate / 1e12:.3g} TFLOP/s at {size.matrix} × {size.matrix}",
            )


def matrix_rate(device: torch.device, size: int, repeats: int) -> float:
    """Return the floating-point operations a second of products of large bfloat16 matrices."""
    left, right = (torch.randn(size, size, device=device, dtype=torch.bfloat16) for _ in range(2))
    times, (clock, _) = 10, clock_of(device)

    def multiply() -> None:
        for _ in range(times):
            torch.mm(left, right)

    seconds = fastest_in_turn({"products": multiply}, repeats, clock)["products"]
    return float(times * 2 * size**3 / seconds)


def update_flops(backbone: BackboneConfig, image_size: tuple[int, int]) -> float:
    """Return the operations of an image going forward, and backward to the weights."""
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        model = ReIDModel(build_encoder(backbone), 2).train()
        model(torch.empty(2, 3, *image_size)).logits.sum().backward()
    return float(counter.get_total_flops() / 2)


def _precisions(policy: DevicePolicy, size: GpuSize, how: str) -> Iterator[Ratio]:
    """Yield how much quicker crafting is in TF32, and how far apart its strength is."""
    clock, _ = clock_of(policy.device)
    encoder = policy.place(build_encoder(size.backbone)).eval()
    images = torch.rand(_BATCH, 3, *size.image_size, device=policy.device)
    images = images.contiguous(memory_format=torch.channels_last)

    def craft(precision: CraftingPrecision) -> None:
        with crafting_in(precision), evaluating(encoder):
            for _ in range(10):
                leaf = images.detach().requires_grad_(True)
                torch.autograd.grad(encoder(leaf).sum(), leaf)

    ways: dict[str, Callable[[], object]] = {one: partial(craft, one) for one in PRECISIONS}
    seconds = fastest_in_turn(ways, size.repeats, clock)
    quicker = seconds["float32"] / seconds["tf32"]
    has_it = "" if has_tf32(policy.device) else "; this device has no TF32"
    yield Ratio("passes in float32 over TF32", quicker, how + has_it, at_least=1)
    attack = attack_at_8(size.attack)
    with tempfile.TemporaryDirectory() as folder:
        agreement = agreement_on_canary(
            type(attack),
            attack.config,
            policy=policy,
            work_dir=Path(folder),
            progress=SilentProgress(),
            title="",
        )
    yield Ratio(
        f"points of mAP between {size.attack} in float32 and TF32",
        agreement.difference,
        f"on the canary: {agreement.float32_map:.2f} and {agreement.tf32_map:.2f}",
        at_most=AGREEMENT_MAP,
    )


def _said(size: GpuSize) -> str:
    height, width = size.image_size
    return f"{size.backbone.name}, {height}×{width}"
