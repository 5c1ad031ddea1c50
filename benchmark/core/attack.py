"""The attack contract: the base class owns what an author must not be able to get wrong.

That is the ball around the clean image, the pixel box, eval mode, and the metering of the budget.
"""

from __future__ import annotations

import time
from abc import abstractmethod
from dataclasses import dataclass, field
from typing import ClassVar, final

import torch
from torch import Tensor, nn

from benchmark.core.encoder import check_embeddings, evaluating
from benchmark.core.errors import PluginError
from benchmark.core.guides import Guides
from benchmark.core.plugin import Plugin, PluginConfig
from benchmark.core.threat import ThreatModel, check_eps_255

BALL_TOLERANCE = 1e-6


@dataclass(frozen=True)
class AttackBatch:
    """What an attacker sees of a batch of images.

    Attributes:
        images: (B, 3, H, W) clean float32 images in [0, 1].
        pids: (B,) identities.
        camids: (B,) cameras.
        seeds: One seed an image, so that its result does not depend on its neighbours.
        query_guides: Clean embeddings of the query side (in training: of the batch).
        gallery_guides: Clean embeddings of the gallery (in training: of the batch).
        query_rows: (B,) row of each image among `query_guides`.
        gallery_rows: (B,) row of each image among `gallery_guides`; -1 if it is not there.
        clean: (B, D) clean embeddings of the images, detached.
    """

    images: Tensor
    pids: Tensor
    camids: Tensor
    seeds: list[int]
    query_guides: Guides
    gallery_guides: Guides
    query_rows: Tensor
    gallery_rows: Tensor
    clean: Tensor


class MeteredEncoder(nn.Module):
    """Counts every image that goes forward and backward through an encoder."""

    def __init__(self, encoder: nn.Module, owner: str) -> None:
        super().__init__()
        self.encoder = encoder
        self.owner = owner
        self.forwards = 0
        self.backwards = 0

    def forward(self, images: Tensor) -> Tensor:
        """Embed (B, 3, H, W) images into (B, D); check shape and finiteness."""
        batch = len(images)
        self.forwards += batch
        embeddings = check_embeddings(self.encoder(images), batch, self.owner)
        if embeddings.requires_grad:
            embeddings.register_hook(self._count_backward)  # type: ignore[no-untyped-call]
        return embeddings

    def _count_backward(self, gradient: Tensor) -> None:
        self.backwards += len(gradient)


@dataclass
class AttackOutcome:
    """Adversarial images of a batch and what they cost.

    Attributes:
        images: (B, 3, H, W) float32 in [0, 1], within the ball.
        forwards: Images that went forward.
        backwards: Images that went backward.
        seconds: Wall time.
        trace: Mean objective at each step, for attacks that have one.
    """

    images: Tensor
    forwards: int
    backwards: int
    seconds: float
    trace: list[float] = field(default_factory=list)


class Attack(Plugin):
    """Base of every attack; an author writes `perturb`.

    Args:
        config: Validated options.
        eps_255: Budget of the threat's norm in 1/255 units.
        owner: Name of what is attacked, for error messages.
    """

    threat: ClassVar[ThreatModel] = ThreatModel()

    def __init__(self, config: PluginConfig, eps_255: float, owner: str = "encoder") -> None:
        self.config = config
        self.eps_255 = check_eps_255(eps_255)
        self.owner = owner
        self.trace: list[float] = []

    @classmethod
    def inner_options(cls, steps: int, alpha_255: float) -> dict[str, object]:
        """Return the options that give this attack the inner budget of a training."""
        return {}

    @property
    def eps(self) -> float:
        """Budget in pixel units, 0–1."""
        return self.eps_255 / 255

    @abstractmethod
    def perturb(self, encoder: nn.Module, batch: AttackBatch) -> Tensor:
        """Return adversarial images (B, 3, H, W) for a batch.

        Args:
            encoder: The encoder in eval mode; its calls are metered.
            batch: The images and the guides.
        """

    @final
    def run(self, encoder: nn.Module, batch: AttackBatch) -> AttackOutcome:
        """Craft adversarial images in eval mode and float32, and check that they are legal.

        Raises:
            PluginError: The attack left the ball or the pixel box, or returned something else than
                one finite float32 image for each clean one.
        """
        metered = MeteredEncoder(encoder, self.owner)
        self.trace = []
        start = time.perf_counter()
        precise = torch.autocast(batch.images.device.type, enabled=False)
        with evaluating(encoder), torch.enable_grad(), precise:
            images = self._verified(self.perturb(metered, batch), batch.images)
        return AttackOutcome(
            images=images,
            forwards=metered.forwards,
            backwards=metered.backwards,
            seconds=time.perf_counter() - start,
            trace=self.trace,
        )

    @final
    def project(self, images: Tensor, clean: Tensor) -> Tensor:
        """Return the closest images inside the ball around `clean` and inside the pixel box."""
        return torch.clamp(images, *self.bounds(clean))

    @final
    def bounds(self, clean: Tensor) -> tuple[Tensor, Tensor]:
        """Return the lowest and the highest legal value of each pixel around `clean`."""
        return (clean - self.eps).clamp_min_(0), (clean + self.eps).clamp_max_(1)

    def _verified(self, returned: object, clean: Tensor) -> Tensor:
        if not isinstance(returned, Tensor):
            raise PluginError(
                f"attack {self.name!r} returned {type(returned).__name__}, not images",
                "return one adversarial image for each clean one",
            )
        images = returned.detach()
        if images.shape != clean.shape or images.dtype != clean.dtype:
            raise PluginError(
                f"attack {self.name!r} returned shape {tuple(images.shape)} of {images.dtype}, "
                f"not {tuple(clean.shape)} of {clean.dtype}",
                "return one adversarial image for each clean one",
            )
        if not bool(torch.isfinite(images).all()):
            raise PluginError(f"attack {self.name!r} returned NaN pixels", "check its gradients")
        distance = float((images - clean).abs().max())
        if distance > self.eps + BALL_TOLERANCE:
            raise PluginError(
                f"attack {self.name!r} left the ball: {255 * distance:.3f}/255 > "
                f"{self.eps_255:g}/255",
                "project around the clean image with self.project()",
            )
        low, high = float(images.min()), float(images.max())
        if low < -BALL_TOLERANCE or high > 1 + BALL_TOLERANCE:
            raise PluginError(
                f"attack {self.name!r} left the pixel box: [{low:.4f}, {high:.4f}]",
                "project with self.project()",
            )
        return images


def round_to_8_bits(images: Tensor, clean: Tensor, eps_255: float) -> Tensor:
    """Return `images` on the 8-bit grid, within `eps_255` of the 8-bit `clean` images.

    Each pixel goes to the nearest grid value inside the budget, as an image saved as PNG would.
    """
    limit = float(int(eps_255 + 1e-4))
    steps = ((images - clean) * 255).round_().clamp_(-limit, limit)
    return ((clean * 255).round_() + steps).clamp_(0, 255).div_(255)
