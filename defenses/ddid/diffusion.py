"""Train the identity- and camera-conditional diffusion model on the training split, resumably.

Whatever a step draws comes from a seed of (seed, step), so that a training that was killed goes on
from its checkpoint to the same weights, bit for bit on the same machine.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor

from benchmark.core.errors import PluginError
from benchmark.core.image_set import ImageSet
from benchmark.core.plugin import PluginConfig
from benchmark.core.progress import Progress
from benchmark.core.seeding import derive_seed, torch_seeded
from defenses.ddid.denoiser import Denoiser, DenoiserConfig
from defenses.ddid.diffusion_checkpoint import load_checkpoint, save_checkpoint, work_identity
from defenses.ddid.edm import EDM, Network

_BLOCK = 512


class DiffusionConfig(PluginConfig):
    """Training and sampling of the diffusion model.

    "Published" refers to EDM (arXiv 2206.00364); DDID publishes none of its own values. The
    defaults are a small size that a CPU trains in a minute; `full` is for a GPU.
    """

    network: DenoiserConfig = DenoiserConfig()
    """Size of the denoiser."""
    steps: PositiveInt = 700
    """Training steps; chosen (published: 200 M images)."""
    batch: PositiveInt = 32
    """Images a step; chosen (published: 256 at 64x64)."""
    learning_rate: PositiveFloat = 2e-3
    """Of Adam with betas (0.9, 0.999); chosen (published: 2e-4 at 64x64)."""
    warmup_steps: NonNegativeInt = 20
    """Linear warm-up; chosen (published: 10 M images)."""
    decay: bool = True
    """Let the learning rate fall to 0 along a cosine; chosen (published: no)."""
    ema_images: PositiveFloat = 2_000
    """Longest half-life of the weight average, in images; chosen (published: 0.5 M)."""
    ema_rampup: float = Field(default=0.05, gt=0, le=1)
    """Its half-life is at most this share of the images seen; published."""
    label_dropout: float = Field(default=0.1, ge=0, lt=1)
    """Probability to drop the identity's and, independently, the camera's part of the condition;
    chosen."""
    identity_power: float = Field(default=0.5, ge=0, le=1)
    """Draw images with weight n_i ** -identity_power, n_i being the images of their identity: 0
    draws images evenly (published), 1 identities; chosen."""
    checkpoint_every: PositiveInt = 100
    """Steps between checkpoints; no influence on the result."""
    sampler_steps: int = Field(default=6, ge=2)
    """Noise levels of the sampler; chosen (published: 18 to 40)."""
    sigma_start: PositiveFloat | None = 0.5
    """Start from a real image of the identity with noise of this level (SDEdit, Meng et al. 2022,
    arXiv 2108.01073); chosen. None starts from pure noise (published)."""
    guidance: PositiveFloat = 1.0
    """Scale of classifier-free guidance (Ho and Salimans 2022, arXiv 2207.12598); 1 is off
    (published)."""

    @classmethod
    def full(cls) -> DiffusionConfig:
        """Return the size for a GPU and Market-1501: 128x64 working size, from pure noise."""
        return cls(
            network=DenoiserConfig(
                downscale=2,
                patch=1,
                widths=(64, 128, 192, 256),
                layers=2,
                attention=True,
                groups=32,
                dropout=0.1,
            ),
            steps=60_000,
            batch=256,
            learning_rate=2e-4,
            warmup_steps=1_000,
            decay=False,
            ema_images=500_000,
            identity_power=0.0,
            checkpoint_every=1_000,
            sampler_steps=18,
            sigma_start=None,
        )


@dataclass(frozen=True)
class Diffusion:
    """A trained model.

    Attributes:
        denoiser: Network with averaged weights, in eval mode.
        losses: Loss of each training step.
    """

    denoiser: Denoiser
    losses: list[float] = field(default_factory=list)


def train_diffusion(
    train: ImageSet,
    config: DiffusionConfig,
    *,
    seed: int,
    device: torch.device,
    progress: Progress,
    checkpoint: Path,
    autocast_dtype: torch.dtype | None = None,
) -> Diffusion:
    """Train on a training split, or go on from `checkpoint` if it is of the same work.

    Args:
        train: Training split; junk and distractors are left out.
        config: Sizes and schedule.
        seed: Seed of the weights and of everything that the steps draw.
        device: Where to train.
        progress: Reports each step with its loss.
        checkpoint: Safetensors file that holds the state of the training.
        autocast_dtype: Precision of the network's forward pass; None for float32.

    Raises:
        PluginError: The loss is not finite.
        UsageError: The image size does not suit the network.
    """
    train = train.subset(train.people)
    run = _DiffusionTraining(train, config, seed, device, autocast_dtype)
    work = work_identity(train, config.model_dump(mode="json"), seed, str(autocast_dtype))
    losses = load_checkpoint(checkpoint, work, run.denoiser, run.average, run.optimiser)
    with progress.task("diffusion model", config.steps) as bar:
        bar.advance(len(losses))
        for step in range(len(losses), config.steps):
            losses.append(run.step(step))
            if (step + 1) % config.checkpoint_every == 0 or step + 1 == config.steps:
                save_checkpoint(checkpoint, work, run.denoiser, run.average, run.optimiser, losses)
            bar.advance(note=f"loss {losses[-1]:.3f}")
    run.average.eval().requires_grad_(False)
    return Diffusion(run.average, losses)


class _DiffusionTraining:
    """The state of a training and its single step; holds all images, folded, on the device."""

    def __init__(
        self,
        train: ImageSet,
        config: DiffusionConfig,
        seed: int,
        device: torch.device,
        autocast_dtype: torch.dtype | None,
    ) -> None:
        self.config, self.seed, self.device, self.autocast = config, seed, device, autocast_dtype
        self.edm = EDM()
        self.denoiser, self.average = self._new(train), self._new(train)
        self.average.requires_grad_(False)
        self.optimiser = torch.optim.Adam(self.denoiser.parameters(), config.learning_rate)
        identity = np.searchsorted(self.denoiser.pids, train.pids)
        camera = np.searchsorted(self.denoiser.camids, train.camids)
        self.labels = torch.from_numpy(np.stack([identity, camera])).to(device)
        counts = np.bincount(identity)[identity].astype(np.float64)
        self.row_weights = torch.from_numpy(counts**-config.identity_power).to(device)
        self.images = self._folded(train)

    def _new(self, train: ImageSet) -> Denoiser:
        with torch_seeded(derive_seed(self.seed, "diffusion", "weights"), self.device):
            network = Denoiser(self.config.network, train)
        return network.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]

    def _folded(self, train: ImageSet) -> Tensor:
        parts = []
        for first in range(0, len(train), _BLOCK):
            rows = slice(first, first + _BLOCK)
            images = train.tensor(rows).to(self.device)
            parts.append(self.denoiser.fold(images, self.labels[1, rows]))
        return torch.cat(parts).to(memory_format=torch.channels_last)

    def step(self, step: int) -> float:
        """Do training step number `step` and return its loss."""
        batch, device = self.config.batch, self.device
        draw = torch.Generator(device).manual_seed(derive_seed(self.seed, "diffusion", step))
        rows = torch.multinomial(self.row_weights, batch, True, generator=draw)
        clean = self.images[rows]
        sigma = self.edm.training_sigma(torch.randn(batch, generator=draw, device=device))
        noise = torch.randn(clean.shape, generator=draw, device=device)
        drop = torch.rand(batch, 2, generator=draw, device=device) < self.config.label_dropout
        identity, camera = self.labels[:, rows]
        condition = self.denoiser.condition(identity, camera, (~drop).float())
        with torch_seeded(derive_seed(self.seed, "dropout", step), device):
            loss = self.edm.loss(self._network(condition), clean, sigma, noise).mean()
        value = loss.item()
        if not math.isfinite(value):
            raise PluginError(
                f"ddid: the diffusion model's loss is {value} at step {step}",
                "lower balancing_options.diffusion.learning_rate of ddid",
            )
        for group in self.optimiser.param_groups:
            group["lr"] = self._learning_rate(step)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        self._average(step)
        return value

    def _network(self, condition: Tensor) -> Network:
        """Bind the condition and the precision."""

        def network(folded: Tensor, c_noise: Tensor) -> Tensor:
            with torch.autocast(self.device.type, self.autocast, enabled=self.autocast is not None):
                output: Tensor = self.denoiser(folded, c_noise, condition)
            return output

        return network

    def _learning_rate(self, step: int) -> float:
        config = self.config
        rate = config.learning_rate * min(1.0, (step + 1) / max(config.warmup_steps, 1))
        if config.decay:
            rate *= (1 + math.cos(math.pi * step / config.steps)) / 2
        return rate

    @torch.no_grad()
    def _average(self, step: int) -> None:
        """Move the average towards the weights (EDM, appendix F.2)."""
        seen = (step + 1) * self.config.batch
        half_life = min(self.config.ema_images, seen * self.config.ema_rampup)
        forget = 1 - 0.5 ** (self.config.batch / half_life)
        torch._foreach_lerp_(
            list(self.average.parameters()), list(self.denoiser.parameters()), forget
        )
