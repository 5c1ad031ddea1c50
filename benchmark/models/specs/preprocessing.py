"""What stands around a network: size, range, colours, normalisation, mirror image.

All of it has a gradient and is inside the attacked system: the budget is in pixels of the images
that come in.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmark.models.backbone import IMAGENET_MEAN, IMAGENET_STD

Triple = tuple[float, float, float]

LARGEST = {"0-1": 1.0, "0-255": 255.0}
"""White, in each range."""
NORMALISATIONS: tuple[tuple[Triple, Triple], ...] = (
    (IMAGENET_MEAN, IMAGENET_STD),
    ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
)
"""Mean and deviation in [0, 1] that networks are trained with: ImageNet's, to [-1, 1], none."""


@dataclass(frozen=True)
class Preprocessing:
    """What a network is given, and how often.

    Attributes:
        size: (H, W).
        resize: Filter.
        mean: Of the channels, in their order and range.
        std: The same.
        channels: ``rgb`` or ``bgr``.
        range: ``0-1`` or ``0-255``.
        flip: Whether the mirror image is embedded, too.
    """

    size: tuple[int, int]
    resize: str
    mean: Triple
    std: Triple
    channels: str
    range: str
    flip: bool

    def mirrored(self) -> dict[str, Preprocessing]:
        """Return the choices that are easily mistaken for this one, by the options that set them.

        In the other order of colours, mean and deviation go with their colours. In the other range
        they stay as they are: scaled, they would undo it.
        """
        channels = "rgb" if self.channels == "bgr" else "bgr"
        swapped = replace(self, channels=channels, mean=self.mean[::-1], std=self.std[::-1])
        other = "0-1" if self.range == "0-255" else "0-255"
        found = {
            f"encoder.channels={channels}": swapped,
            f"encoder.range={other}": replace(self, range=other),
        }
        for mean, std in NORMALISATIONS:
            chosen = self._normalised(mean, std)
            if not chosen._normalises_as(self):
                values = (f"encoder.mean={_told(chosen.mean)}", f"encoder.std={_told(chosen.std)}")
                found[" ".join(values)] = chosen
        return found

    def _normalised(self, mean: Triple, std: Triple) -> Preprocessing:
        scale = LARGEST[self.range]
        order = -1 if self.channels == "bgr" else 1
        means, stds = ([value * scale for value in one[::order]] for one in (mean, std))
        if set(mean) == {0.0}:
            stds = [1.0] * 3  # without normalisation nothing is divided in any range
        return replace(self, mean=(means[0], means[1], means[2]), std=(stds[0], stds[1], stds[2]))

    def _normalises_as(self, other: Preprocessing) -> bool:
        tolerance = 0.02 * LARGEST[self.range]  # ImageNet's are rounded in several ways
        pairs = zip((*self.mean, *self.std), (*other.mean, *other.std), strict=True)
        return all(abs(own - its) < tolerance for own, its in pairs)


class SpecEncoder(nn.Module):
    """A network behind its preprocessing.

    Args:
        network: From what `preprocessing` makes to embeddings.
        preprocessing: What is done to images.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, network: nn.Module, preprocessing: Preprocessing) -> None:
        super().__init__()
        self.network, self.preprocessing = network, preprocessing
        for name in ("mean", "std"):
            values = torch.tensor(getattr(preprocessing, name), dtype=torch.float32)
            self.register_buffer(name, values.view(1, 3, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        """Return (B, D) embeddings of (B, 3, H, W) images in [0, 1]."""
        given = self.prepared(images)
        embeddings = self._embedded(given)
        if self.preprocessing.flip:
            embeddings = (embeddings + self._embedded(given.flip(3))) / 2
        return embeddings

    def behind(self, preprocessing: Preprocessing) -> SpecEncoder:
        """Return the same network behind another preprocessing, on its device."""
        return SpecEncoder(self.network, preprocessing).to(self.mean.device).eval()

    def prepared(self, images: Tensor) -> Tensor:
        """Return what the network is given."""
        chosen = self.preprocessing
        if tuple(images.shape[2:]) != tuple(chosen.size):
            smooth = {} if chosen.resize == "nearest" else {"antialias": True}
            images = F.interpolate(images, chosen.size, mode=chosen.resize, **smooth)
            if chosen.resize == "bicubic":
                images = images.clamp(0, 1)  # it overshoots
        if chosen.channels == "bgr":
            images = images.flip(1)
        return (images * LARGEST[chosen.range] - self.mean) / self.std

    def _embedded(self, given: Tensor) -> Tensor:
        embeddings: Tensor = self.network(given)
        is_map_of_one = embeddings.ndim > 2 and embeddings[0, 0].numel() == 1
        return embeddings.flatten(1) if is_map_of_one else embeddings


def shuffled(encoder: SpecEncoder, seed: int = 0) -> SpecEncoder:
    """Return a twin with random weights: each tensor holds the same values in a random order.

    What has one dimension, such as the statistics of a batch normalisation, stays.
    """
    twin = deepcopy(encoder)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for values in (*twin.network.parameters(), *twin.network.buffers()):
            if values.ndim > 1 and values.is_floating_point():
                order = torch.randperm(values.numel(), generator=generator).to(values.device)
                values.copy_(values.flatten()[order].view_as(values))
    return twin


def _told(values: Triple) -> str:
    return f"[{','.join(f'{value:g}' for value in values)}]"
