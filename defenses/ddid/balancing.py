"""Phase I of DDID (arXiv 2511.09933): balance the training split with synthetic images."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from benchmark.core.image_set import ImageSet
from benchmark.core.plugin import PluginConfig
from benchmark.core.progress import Progress
from benchmark.core.seeding import derive_seed
from defenses.ddid.balance_plan import SynthesisRequest, plan_balance
from defenses.ddid.balance_report import (
    Attempt,
    BalanceReport,
    attempts_of,
    draw_sheet,
    make_report,
)
from defenses.ddid.diffusion import Diffusion, DiffusionConfig, train_diffusion
from defenses.ddid.quality_gate import GateDecision, QualityGate
from defenses.ddid.real_copies import RealCopies
from defenses.ddid.synthesis import Slot, Synthesiser, slots_of

__all__ = ["BalancingConfig", "SynthesisRequest", "balance", "plan_balance", "train_generator"]

SYNTHETIC_SEQUENCE = 9
"""Sequence number in the names of synthetic images, which Market-1501 does not use."""


class BalancingConfig(PluginConfig):
    """Options of the balancing. DDID publishes the rules, but none of the values."""

    source: Literal["diffusion", "oversampling", "augmentation"] = "diffusion"
    """Where the images come from: the diffusion model (published), or, to compare with, real
    images of the identity, repeated or strongly augmented. The plan is the same for all."""
    delta1: int = Field(default=15, ge=0)
    """Images that every identity should have; chosen."""
    delta2: float = Field(default=0.5, ge=0, le=1)
    """Largest share of an identity's images in one camera; chosen."""
    most: int | None = Field(default=None, ge=0)
    """At most so many of the planned images, drawn at random, to compare sources at equal counts;
    unset: all of them."""
    percentile: float = Field(default=10.0, ge=0, le=100)
    """The gate's least cosine, as a percentile of the real images' cosines; chosen."""
    min_distance: float = Field(default=0.02, ge=0, le=1)
    """Least root mean square pixel difference, in [0, 1], to a real image; chosen."""
    attempts: int = Field(default=3, ge=1)
    """Times that a refused image is drawn in all before it is given up; chosen."""
    sample_batch: int = Field(default=64, ge=1)
    """Images drawn at once."""
    diffusion: DiffusionConfig = DiffusionConfig()
    """Training and sampling of the diffusion model."""


class ImageSource(Protocol):
    """Draws images for slots."""

    def draw(self, slots: Sequence[Slot], attempt: int) -> NDArray[np.uint8]:
        """Return uint8 (B, H, W, 3) images, one for each slot; others at another attempt."""


def balance(
    train: ImageSet,
    encoder: Callable[[Tensor], Tensor],
    config: BalancingConfig,
    *,
    seed: int,
    device: torch.device,
    progress: Progress,
    work_dir: Path,
    autocast_dtype: torch.dtype | None = None,
) -> tuple[ImageSet, BalanceReport]:
    """Make the images that `plan_balance` asks for, as far as the gate accepts them.

    The gate passes copies of real images whatever it thinks of them: their label is as right as
    that of the original, and so both kinds of copies come in the number that the plan asks for,
    or in that of `BalancingConfig.most`.

    Args:
        train: Training split; nothing else is looked at.
        encoder: Clean encoder trained on the same split, for the gate.
        config: Options.
        seed: Seed of the diffusion model's training and of the images.
        device: Where to train and sample, and where the encoder is.
        progress: Where to report progress.
        work_dir: Receives ``diffusion.safetensors`` (an interrupted training goes on from it),
            ``report.json`` and ``contact_sheet.png``.
        autocast_dtype: Precision of the diffusion model's training; None for float32.

    Returns:
        The added images alone, and the figures.

    Raises:
        DataError: No identity has two images, so that the gate cannot judge.
        PluginError: The diffusion model's loss is not finite.
        UsageError: The image size does not suit the diffusion model.
    """
    train = train.subset(train.people)
    requests = plan_balance(train, config.delta1, config.delta2)
    gate = QualityGate(
        encoder,
        train,
        percentile=config.percentile,
        min_distance=config.min_distance,
        device=device,
    )
    slots = _wanted(requests, config, seed)
    losses: list[float] = []
    attempts: list[Attempt] = []
    marks = [time.monotonic()]
    if slots:
        source: ImageSource
        diffusion = train_generator(
            train,
            config,
            seed=seed,
            device=device,
            progress=progress,
            work_dir=work_dir,
            autocast_dtype=autocast_dtype,
        )
        if diffusion is not None:
            losses = diffusion.losses
            source = Synthesiser(
                diffusion.denoiser, train, config.diffusion, seed=seed, device=device
            )
        else:
            augmented = config.source == "augmentation"
            source = copies = RealCopies(train, augmented=augmented, seed=seed)
            slots = copies.placed(slots)
        marks.append(time.monotonic())
        attempts = _draw_until_accepted(slots, source, gate, config, progress)
        draw_sheet(work_dir / "contact_sheet.png", train, attempts)
    marks += [time.monotonic()] * (3 - len(marks))
    seconds = {"training": marks[1] - marks[0], "sampling": marks[2] - marks[1]}
    synthetic = _image_set([a for a in attempts if a.accepted], train)
    report = make_report(
        config.source, train, synthetic, requests, slots, attempts, gate, losses, seconds
    )
    report.write(work_dir / "report.json")
    return synthetic, report


def train_generator(
    train: ImageSet,
    config: BalancingConfig,
    *,
    seed: int,
    device: torch.device,
    progress: Progress,
    work_dir: Path,
    autocast_dtype: torch.dtype | None = None,
) -> Diffusion | None:
    """Train the diffusion model that `balance` draws from, or go on where that was left.

    Args:
        train: Training split; nothing else is looked at.
        config: Options.
        seed: Seed that `balance` is given.
        device: Where to train.
        progress: Where to report progress.
        work_dir: Folder that `balance` is given.
        autocast_dtype: Precision of the training; None for float32.

    Returns:
        The model; None if no image is wanted of it.

    Raises:
        PluginError: Its loss is not finite.
        UsageError: The image size does not suit it.
    """
    train = train.subset(train.people)
    requests = plan_balance(train, config.delta1, config.delta2)
    if config.source != "diffusion" or not _wanted(requests, config, seed):
        return None
    return train_diffusion(
        train,
        config.diffusion,
        seed=seed,
        device=device,
        progress=progress,
        checkpoint=work_dir / "diffusion.safetensors",
        autocast_dtype=autocast_dtype,
    )


def _wanted(requests: Sequence[SynthesisRequest], config: BalancingConfig, seed: int) -> list[Slot]:
    return _some(slots_of(requests), config.most, derive_seed(seed, "most"))


def _some(slots: list[Slot], most: int | None, seed: int) -> list[Slot]:
    """Return `most` of the slots, drawn at random and in their order; None: all."""
    if most is None or most >= len(slots):
        return slots
    chosen = np.random.default_rng(seed).choice(len(slots), most, replace=False)
    return [slots[i] for i in np.sort(chosen)]


def _draw_until_accepted(
    slots: Sequence[Slot],
    source: ImageSource,
    gate: QualityGate,
    config: BalancingConfig,
    progress: Progress,
) -> list[Attempt]:
    """Draw each slot until the gate accepts it or the attempts are spent; return all of them."""
    attempts: list[Attempt] = []
    waiting = list(slots)
    with progress.task("synthetic images", len(slots)) as bar:
        for number in range(config.attempts):
            refused: list[Slot] = []
            for first in range(0, len(waiting), config.sample_batch):
                batch = waiting[first : first + config.sample_batch]
                images = source.draw(batch, number)
                decision = gate.judge(images, np.array([slot.pid for slot in batch]))
                if config.source != "diffusion":
                    decision = _passed(decision)
                judged = attempts_of(batch, images, decision)
                attempts += judged
                again = [a.slot for a in judged if not a.accepted]
                refused += again
                last = number + 1 == config.attempts
                bar.advance(len(batch) if last else len(batch) - len(again))
            waiting = refused
    return attempts


def _passed(decision: GateDecision) -> GateDecision:
    return replace(decision, accepted=np.ones_like(decision.accepted))


def _image_set(accepted: Sequence[Attempt], train: ImageSet) -> ImageSet:
    ordered = sorted(accepted, key=lambda a: (a.slot.pid, a.slot.index))
    shape = (0, *train.images.shape[1:])
    return ImageSet(
        np.stack([a.image for a in ordered]) if ordered else np.empty(shape, np.uint8),
        np.array([a.slot.pid for a in ordered], np.int64),
        np.array([a.slot.camid for a in ordered], np.int64),
        tuple(_name(a.slot) for a in ordered),
    )


def _name(slot: Slot) -> str:
    return f"{slot.pid:04d}_c{slot.camid}s{SYNTHETIC_SEQUENCE}_{slot.index:06d}_00.synthetic.png"
