"""A tiny encoder with fixed random weights, tiny image sets, and batches for attackers."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from benchmark.core.attack import Attack
from benchmark.core.attack_batch import AttackBatch
from benchmark.core.defense import Defense
from benchmark.core.device import DevicePolicy
from benchmark.core.guides import Guides
from benchmark.core.image_set import ImageSet
from benchmark.core.progress import Progress, SilentProgress
from benchmark.core.registry import ATTACKS, DEFENSES
from benchmark.core.seeding import derive_seed
from benchmark.models.backbone import BackboneConfig
from benchmark.models.encoder import ReIDEncoder, build_encoder
from benchmark.training.config import AugmentConfig, InnerConfig, TrainingConfig
from benchmark.training.fit import Task, TrainedEncoder, fit_defense

CPU = DevicePolicy(torch.device("cpu"))
BACKBONE = BackboneConfig(width=4)
TRAINING = TrainingConfig(
    epochs=3,
    identities=4,
    images=2,
    held_out=0.25,
    augment=AugmentConfig(pad=1),
    inner=InnerConfig(steps=1),
)
ONE_EPOCH = TRAINING.model_copy(update={"epochs": 1, "held_out": 0.0})


def tiny_encoder(seed: int = 0) -> ReIDEncoder:
    """Return a small-resnet of width 4 whose BN statistics are not those of any batch."""
    torch.manual_seed(seed)
    encoder = build_encoder(BACKBONE)
    for module in encoder.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean.normal_(0, 0.2)
            module.running_var.uniform_(0.5, 1.5)
    return encoder.eval()


def image_set(
    identities: int = 4,
    cameras: int = 2,
    per_camera: int = 2,
    size: tuple[int, int] = (32, 16),
    first_pid: int = 1,
) -> ImageSet:
    """Return images whose colour is the identity, with noise."""
    rng = np.random.default_rng(0)
    pids = np.repeat(np.arange(first_pid, first_pid + identities), cameras * per_camera)
    camids = np.tile(np.repeat(np.arange(1, cameras + 1), per_camera), identities)
    colours = np.random.default_rng(1).integers(30, 226, (identities, 1, 1, 3))
    noise = rng.normal(0, 25, (len(pids), *size, 3))
    images = np.clip(colours[pids - first_pid] + noise, 0, 255).astype(np.uint8)
    names = tuple(
        f"{p:04d}_c{c}s1_{i:06d}_01.jpg" for i, (p, c) in enumerate(zip(pids, camids, strict=True))
    )
    return ImageSet(images, pids.astype(np.int64), camids.astype(np.int64), names)


def guides_of(encoder: nn.Module, images: ImageSet) -> Guides:
    """Return the guides that a set gives, in the precision of the encoder."""
    dtype = next(encoder.parameters()).dtype
    with torch.no_grad():
        embeddings = encoder(images.tensor(slice(None)).to(dtype))
    return Guides(embeddings, torch.from_numpy(images.pids), torch.from_numpy(images.camids))


def scene(
    encoder: nn.Module, images: ImageSet, rows: list[int] | None = None, seed: int = 0
) -> AttackBatch:
    """Return some images of a set as a batch; the whole set guides, as queries and as gallery."""
    rows = list(range(len(images))) if rows is None else rows
    guides = guides_of(encoder, images)
    index = torch.tensor(rows)
    return AttackBatch(
        images=images.tensor(np.array(rows)).to(guides.embeddings.dtype),
        pids=guides.pids[index],
        camids=guides.camids[index],
        seeds=[derive_seed(seed, images.names[row]) for row in rows],
        query_guides=guides,
        gallery_guides=guides,
        query_rows=index,
        gallery_rows=index,
        clean=guides.embeddings[index],
    )


@functools.cache
def tiny(
    double: bool = False, size: tuple[int, int] = (16, 8), rows: tuple[int, ...] = (0, 6, 15)
) -> tuple[ReIDEncoder, AttackBatch]:
    """Return the tiny encoder and some images of a set as a batch; made once, not to be changed."""
    encoder = tiny_encoder().double() if double else tiny_encoder()
    return encoder, scene(encoder, image_set(size=size), list(rows))


def make_attack(name: str, eps_255: float = 8.0, **options: object) -> Attack:
    """Return an attack by its registry name."""
    plugin = cast(type[Attack], ATTACKS.get(name))
    return plugin(plugin.parse_config(options), eps_255)


SHORT = {
    "steps": 4,
    "queries": 40,
    "epochs": 1,
    "epoch_steps": 1,
    "width": 2,
    "discriminator_width": 2,
    "options": {"steps": 3},
}
"""Options that make an attack affordable."""


def short_options(name: str, **options: object) -> dict[str, Any]:
    """Return options of an attack and, where it has them, those that make it affordable."""
    known = ATTACKS.get(name).Config.model_fields
    return {**{key: value for key, value in SHORT.items() if key in known}, **options}


def make_defense(name: str, **options: object) -> Defense:
    """Return a defense by its registry name."""
    plugin = cast(type[Defense], DEFENSES.get(name))
    return plugin(plugin.parse_config(options))


def fit(
    defense: Defense,
    folder: Path,
    *,
    train: ImageSet | None = None,
    training: TrainingConfig = TRAINING,
    seed: int = 0,
    progress: Progress | None = None,
    policy: DevicePolicy = CPU,
    **options: Any,
) -> TrainedEncoder:
    """Train a defense on eight identities for a second."""
    train = image_set(identities=8, size=(16, 8)) if train is None else train
    return fit_defense(
        defense,
        Task(
            train=train,
            backbone=BACKBONE,
            training=training,
            image_size=(16, 8),
            policy=policy,
            seed=seed,
            progress=progress or SilentProgress(),
            work_dir=folder,
            encoders={"none": tiny_encoder(), **options.pop("encoders", {})},
        ),
    )


def same_weights(first: nn.Module, second: nn.Module) -> bool:
    """Whether two encoders hold bit-equal weights and statistics."""
    a: dict[str, Tensor] = first.state_dict()
    b: dict[str, Tensor] = second.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)
