"""LGPR: training images lose their colour, in a random rectangle or all over.

Gong et al., "A Person Re-identification Data Augmentation Method with Adversarial Defense Effect"
(arXiv 2101.08783), and the homogeneous views of their joint defence (CVPR Workshops 2022, arXiv
2111.09571), each with its probability:

    local    a rectangle becomes gray: area U(0.02, 0.4) of the image, height / width U(0.3, 3.33)
    whole    the image becomes gray
    fusion   the image becomes gray; or three of {R, G, B, gray} in random order; or three of
             {R, G, B, sketch}, sketch = min(1, gray / blur(gray))

The sketch is a colour dodge: gray over one minus the blurred inverse. An encoder that leans on
colour alone is easily fooled; one trained on these views leans on shape as well.
"""

from __future__ import annotations

from typing import Self

import torch
from pydantic import Field, model_validator
from torch import Tensor
from torchvision.transforms.functional import gaussian_blur

from benchmark.core.defense import Defense, TrainingStep
from benchmark.core.gray_patches import LUMINANCE, rectangles
from benchmark.core.plugin import Card, PluginConfig
from benchmark.core.seeding import derive_seed

BLUR = 27 / 256
"""Size of the blur's kernel as a share of the height; published: 27 pixels of 256."""
_DARKEST = 1e-3


class ViewOptions(PluginConfig):
    """Probabilities of the views."""

    local: float = Field(default=0.4, ge=0, le=1)
    """Probability of a gray rectangle; published."""
    whole: float = Field(default=0.05, ge=0, le=1)
    """Probability of a gray image; published."""
    joint: bool = False
    """Add the fusion of the joint defence."""
    fusion_gray: float = Field(default=0.1, ge=0, le=1)
    """Share of images that the fusion makes gray; published."""
    fusion_channels: float = Field(default=0.05, ge=0, le=1)
    """Share of images whose channels it draws from colours and gray; published."""
    fusion_sketch: float = Field(default=0.05, ge=0, le=1)
    """Share of images whose channels it draws from colours and sketch; published."""

    @model_validator(mode="after")
    def _one_fusion_an_image(self) -> Self:
        if self.fusion_gray + self.fusion_channels + self.fusion_sketch > 1:
            raise ValueError("fusion_gray, fusion_channels and fusion_sketch exceed 1 together")
        return self


class LGPR(Defense):
    """Standard training on images with gray patches; sees no attack."""

    card = Card(
        title="Local grayscale patch replacement",
        paper="Gong et al., arXiv 2101.08783; joint defence: CVPR Workshops 2022, arXiv 2111.09571",
        references=("gong2021", "gong2022"),
        claims="Rank-1 of 93.3 where an attack left 0.2 (on attacked images made beforehand).",
        notes="Published: all probabilities, ranges of the rectangle, 27-pixel blur. Chosen: order "
        "(after flip, crop and erasing; fusion, whole, local), BT.601 gray, sides over those of "
        "the image are cut, at most one fusion an image, the blur scales with the height. Their "
        "scaling at test time is `circuitous-scaling`.",
    )

    class Config(ViewOptions):
        """Options."""

    config: Config

    def training_step(self, step: TrainingStep) -> Tensor:
        """Return the retrieval loss of the images with some of their colour gone."""
        views = colour_views(step.images, derive_seed(step.seed, "lgpr"), self.config)
        return step.retrieval_loss(views)


def colour_views(images: Tensor, seed: int, options: ViewOptions) -> Tensor:
    """Return (B, 3, H, W) views of images in [0, 1].

    Args:
        images: (B, 3, H, W) images in [0, 1]; they stay as they are.
        seed: Seed of all draws; the same on every device.
        options: Probabilities.
    """
    generator = torch.Generator().manual_seed(seed)
    draws = torch.rand(len(images), 11, generator=generator).to(images.device)
    if options.joint:
        images = fuse(images, draws[:, 6].contiguous(), draws[:, 7:11], options)
    everywhere = draws[:, 0] < options.whole
    somewhere = draws[:, 1] < options.local
    inside = rectangles(draws[:, 2:6], *images.shape[2:]) & somewhere[:, None, None, None]
    return torch.where(inside | everywhere[:, None, None, None], gray_of(images), images)


def gray_of(images: Tensor) -> Tensor:
    """Return (B, 1, H, W) luminance of (B, 3, H, W) images."""
    return torch.einsum("bchw,c->bhw", images, images.new_tensor(LUMINANCE))[:, None]


def fuse(images: Tensor, choice: Tensor, order: Tensor, options: ViewOptions) -> Tensor:
    """Return images of which some are gray, or mix their colours with gray or a sketch.

    Args:
        images: (B, 3, H, W) images in [0, 1].
        choice: (B,) numbers in [0, 1) that say which view an image becomes, if any.
        order: (B, 4) numbers; the channels of a mixture are those of the three smallest.
        options: Probabilities.
    """
    gray = gray_of(images)
    edges = choice.new_tensor([options.fusion_gray, options.fusion_channels, options.fusion_sketch])
    kind = torch.bucketize(choice, edges.cumsum(0), right=True)[:, None, None, None]
    fourth = torch.where(kind == 2, sketch_of(gray), gray)
    palette = torch.cat([images, fourth], dim=1)
    picked = order.argsort(dim=1)[:, :3, None, None].expand(-1, -1, *images.shape[2:])
    mixed = palette.gather(1, picked)
    return torch.where(kind == 0, gray, torch.where(kind == 3, images, mixed))


def sketch_of(gray: Tensor) -> Tensor:
    """Return (B, 1, H, W) pencil sketches: white, with dark strokes at the edges."""
    size = max(3, 2 * round((BLUR * gray.shape[2] - 1) / 2) + 1)
    spread = 0.3 * ((size - 1) / 2 - 1) + 0.8  # what OpenCV takes for a kernel of this size
    blurred = gaussian_blur(gray, [size, size], [spread, spread])
    sketch: Tensor = gray / blurred.clamp(min=_DARKEST)
    return sketch.clamp(max=1)
