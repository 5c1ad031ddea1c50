"""State dicts with the key names that projects document, made without their code or ours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

Shapes = dict[str, tuple[int, ...]]


def norm(name: str, channels: int) -> Shapes:
    parts = ("weight", "bias", "running_mean", "running_var")
    return {f"{name}.{part}": (channels,) for part in parts} | {f"{name}.num_batches_tracked": ()}


def half_instance_norm(name: str, channels: int) -> Shapes:
    half = channels // 2
    return {f"{name}.IN.weight": (half,), f"{name}.IN.bias": (half,)} | norm(f"{name}.BN", half)


def resnet50(ibn: bool = False) -> Shapes:
    """ResNet-50 of torchvision, which FastReID and the strong baseline name alike."""
    shapes: Shapes = {"conv1.weight": (64, 3, 7, 7), **norm("bn1", 64)}
    width_in = 64
    for stage, (blocks, width) in enumerate(zip((3, 4, 6, 3), (64, 128, 256, 512), strict=True), 1):
        for block in range(blocks):
            at = f"layer{stage}.{block}"
            first = half_instance_norm if ibn and stage < 4 else norm
            shapes |= {f"{at}.conv1.weight": (width, width_in, 1, 1), **first(f"{at}.bn1", width)}
            shapes |= {f"{at}.conv2.weight": (width, width, 3, 3), **norm(f"{at}.bn2", width)}
            shapes |= {f"{at}.conv3.weight": (4 * width, width, 1, 1)}
            shapes |= norm(f"{at}.bn3", 4 * width)
            if block == 0:
                shapes |= {f"{at}.downsample.0.weight": (4 * width, width_in, 1, 1)}
                shapes |= norm(f"{at}.downsample.1", 4 * width)
            width_in = 4 * width
    return shapes


def fastreid(ibn: bool = False) -> Shapes:
    pixels = {"pixel_mean": (1, 3, 1, 1), "pixel_std": (1, 3, 1, 1)}
    trunk = {f"backbone.{key}": shape for key, shape in resnet50(ibn).items()}
    return {**pixels, **trunk, **norm("heads.bottleneck.0", 2048), "heads.weight": (751, 2048)}


def strong_baseline(ibn: bool = False) -> Shapes:
    trunk = {f"base.{key}": shape for key, shape in resnet50(ibn).items()}
    return {**trunk, **norm("bottleneck", 2048), "classifier.weight": (751, 2048)}


def _conv(name: str, out: int, into: int, kernel: int = 1) -> Shapes:
    return {f"{name}.conv.weight": (out, into, kernel, kernel), **norm(f"{name}.bn", out)}


def _light(name: str, width: int) -> Shapes:
    pair = {f"{name}.conv1.weight": (width, width, 1, 1), f"{name}.conv2.weight": (width, 1, 3, 3)}
    return pair | norm(f"{name}.bn", width)


def osnet_x0_25() -> Shapes:
    shapes, into = _conv("conv1", 16, 3, 7), 16
    for stage, out in ((2, 64), (3, 96), (4, 128)):
        inner = out // 4
        for block in (0, 1):
            at = f"conv{stage}.{block}"
            shapes |= _conv(f"{at}.conv1", inner, into) | _conv(f"{at}.conv3", out, inner)
            shapes |= _light(f"{at}.conv2a", inner)
            for letter, depth in (("b", 2), ("c", 3), ("d", 4)):
                for i in range(depth):
                    shapes |= _light(f"{at}.conv2{letter}.{i}", inner)
            gate = inner // 16
            shapes |= {f"{at}.gate.fc1.weight": (gate, inner, 1, 1), f"{at}.gate.fc1.bias": (gate,)}
            shapes |= {f"{at}.gate.fc2.weight": (inner, gate, 1, 1)}
            shapes |= {f"{at}.gate.fc2.bias": (inner,)}
            if block == 0:
                shapes |= _conv(f"{at}.downsample", out, into)
            into = out
        if stage < 4:
            shapes |= _conv(f"conv{stage}.2.0", out, out)
    shapes |= _conv("conv5", 128, 128)
    shapes |= {"fc.0.weight": (512, 128), "fc.0.bias": (512,), **norm("fc.1", 512)}
    return shapes | {"classifier.weight": (751, 512), "classifier.bias": (751,)}


def vit_tiny(blocks: int = 12, width: int = 192, positions: int = 197) -> Shapes:
    """ViT-Ti/16 of timm at 224×224."""
    shapes: Shapes = {"cls_token": (1, 1, width), "pos_embed": (1, positions, width)}
    shapes |= {"patch_embed.proj.weight": (width, 3, 16, 16), "patch_embed.proj.bias": (width,)}
    for block in range(blocks):
        layers = {"attn.qkv": 3 * width, "attn.proj": width, "mlp.fc1": 4 * width, "mlp.fc2": width}
        for name, out in layers.items():
            into = 4 * width if name == "mlp.fc2" else width
            shapes |= {f"blocks.{block}.{name}.weight": (out, into)}
            shapes |= {f"blocks.{block}.{name}.bias": (out,)}
        for name in ("norm1", "norm2"):
            shapes |= {f"blocks.{block}.{name}.{part}": (width,) for part in ("weight", "bias")}
    shapes |= {"norm.weight": (width,), "norm.bias": (width,)}
    return shapes | {"head.weight": (1000, width), "head.bias": (1000,)}


def filled(shapes: Mapping[str, tuple[int, ...]], seed: int = 0) -> dict[str, Tensor]:
    """Return tensors of such shapes; variances are positive, and nothing grows in depth."""
    generator = torch.Generator().manual_seed(seed)
    return dict(_filled(shapes, generator))


def _filled(
    shapes: Mapping[str, tuple[int, ...]], generator: torch.Generator
) -> Iterator[tuple[str, Tensor]]:
    for key, shape in shapes.items():
        if key.endswith("num_batches_tracked"):
            yield key, torch.tensor(7)
        elif key.endswith("running_var"):
            yield key, torch.rand(shape, generator=generator) + 0.5
        else:
            scale = 0.5 / max(1, torch.Size(shape[1:]).numel()) ** 0.5
            column = torch.randn((*shape[:1], *[1] * len(shape[1:])), generator=generator)
            yield key, (column * scale).expand(shape)  # a file of a megabyte, not of a hundred
