"""The denoising network: a small diffusers UNet told which identity and which camera to draw."""

from __future__ import annotations

import torch
from diffusers.models.unets.unet_2d import UNet2DModel
from pydantic import BaseModel, ConfigDict, Field, PositiveInt
from torch import Tensor, nn
from torch.nn import functional

from benchmark.core.errors import UsageError

_PHASE = 100.0
"""c_noise spans about 2.7 in training; the positional embedding wants a wider range (chosen)."""


class DenoiserConfig(BaseModel):
    """Size of the denoising network; every value is chosen (the paper publishes none).

    Attributes:
        downscale: Area-average images by this factor first; samples come back by bicubic
            up-sampling. For images larger than the 128x64 that the model should work at.
        patch: Fold patch x patch pixels into channels (space-to-depth); loses nothing.
        widths: Channels at each resolution, each half the one before.
        layers: Residual blocks at each resolution.
        attention: Self-attention at the lowest resolution.
        groups: Groups of the group normalisation; must divide every width.
        dropout: Dropout in the residual blocks.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    downscale: PositiveInt = 1
    patch: PositiveInt = 4
    widths: tuple[PositiveInt, ...] = (32, 48)
    layers: PositiveInt = 1
    attention: bool = False
    groups: PositiveInt = 8
    dropout: float = Field(default=0.0, ge=0, lt=1)


class Denoiser(nn.Module):
    """F(x; c_noise, identity, camera): a `UNet2DModel` with e_ID + e_cam as class embedding.

    Args:
        config: Size of the network.
        identities: Number of identities; index 0 ... identities - 1.
        cameras: Number of cameras; index 0 ... cameras - 1.
        size: Height and width of the images in pixels; need not be equal.

    Raises:
        UsageError: The image size does not divide into the network's patches and levels.
    """

    def __init__(
        self, config: DenoiserConfig, identities: int, cameras: int, size: tuple[int, int]
    ) -> None:
        super().__init__()
        unit = config.downscale * config.patch * 2 ** (len(config.widths) - 1)
        if size[0] % unit or size[1] % unit:
            raise UsageError(
                f"balancing: images of {size[0]}x{size[1]} do not divide by {unit}",
                "lower balancing.diffusion.network.patch, downscale or the number of widths",
            )
        self.config, self.size = config, size
        channels, levels = 3 * config.patch**2, len(config.widths)
        self.unet = UNet2DModel(
            in_channels=channels,
            out_channels=channels,
            block_out_channels=config.widths,
            layers_per_block=config.layers,
            down_block_types=("DownBlock2D",) * levels,
            up_block_types=("UpBlock2D",) * levels,
            add_attention=config.attention,
            norm_num_groups=config.groups,
            dropout=config.dropout,
            class_embed_type="identity",
        )
        condition = 4 * config.widths[0]
        self.identity = nn.Embedding(identities, condition)
        self.camera = nn.Embedding(cameras, condition)
        nn.init.zeros_(self.camera.weight)
        nn.init.zeros_(self.unet.conv_out.weight)
        nn.init.zeros_(self.unet.conv_out.bias)

    def fold(self, images: Tensor) -> Tensor:
        """Turn (B, 3, H, W) images in [0, 1] into the (B, C, h, w) that the network sees."""
        if self.config.downscale > 1:
            images = functional.avg_pool2d(images, self.config.downscale)
        return functional.pixel_unshuffle(images * 2 - 1, self.config.patch)

    def unfold(self, folded: Tensor) -> Tensor:
        """Turn the network's (B, C, h, w) back into (B, 3, H, W) images in [0, 1]."""
        images = functional.pixel_shuffle(folded, self.config.patch) / 2 + 0.5
        if self.config.downscale > 1:
            images = functional.interpolate(
                images, self.size, mode="bicubic", align_corners=False, antialias=True
            )
        return images.clamp(0, 1)

    def condition(self, identity: Tensor, camera: Tensor, keep: Tensor | None = None) -> Tensor:
        """Return (B, D) class embeddings e_ID + e_cam.

        Args:
            identity: (B,) identity indices.
            camera: (B,) camera indices.
            keep: (B, 2) zeros and ones; a zero drops the identity's (first column) or the
                camera's (second) part. None keeps all.
        """
        parts = torch.stack([self.identity(identity), self.camera(camera)], dim=1)
        if keep is not None:
            parts = parts * keep[:, :, None]
        return parts.sum(dim=1)

    def forward(self, folded: Tensor, c_noise: Tensor, condition: Tensor) -> Tensor:
        """Return F for (B, C, h, w) inputs, (B,) noise levels c_noise and (B, D) conditions."""
        output: Tensor = self.unet(folded, c_noise * _PHASE, class_labels=condition).sample
        return output
