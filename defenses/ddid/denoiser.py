"""The denoising network: a small diffusers UNet told which identity and which camera to draw."""

from __future__ import annotations

import numpy as np
import torch
from diffusers.models.unets.unet_2d import UNet2DModel
from numpy.typing import NDArray
from pydantic import Field, PositiveInt
from torch import Tensor, nn
from torch.nn import functional

from benchmark.core.errors import UsageError
from benchmark.core.image_set import ImageSet
from benchmark.core.plugin import PluginConfig
from defenses.ddid.camera_standardiser import CameraStandardiser
from defenses.ddid.edm import EDM

_PHASE = 100.0
"""c_noise spans about 2.7 in training; the positional embedding wants a wider range (chosen)."""
_CELLS = (4, 2)
"""The identity embedding starts from the identity's mean colours in so many cells (chosen)."""


class DenoiserConfig(PluginConfig):
    """Size of the denoising network; DDID publishes none of it."""

    downscale: PositiveInt = 2
    """Work at images averaged by this factor; samples come back by bicubic up-sampling, with the
    fine detail of the start image where there is one; chosen."""
    patch: PositiveInt = 2
    """Fold patch x patch pixels into channels (space-to-depth). It loses nothing, but the first
    width should be well above 3 patch^2: all noise must pass through it; chosen."""
    widths: tuple[PositiveInt, ...] = (32, 48)
    """Channels at each resolution, each half the one before; chosen."""
    layers: PositiveInt = 1
    """Residual blocks at each resolution; chosen."""
    attention: bool = False
    """Self-attention at the lowest resolution; chosen."""
    groups: PositiveInt = 8
    """Groups of the group normalisation, which must divide every width; chosen."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Dropout in the residual blocks; chosen (published by EDM for 64x64: 0.05 to 0.25)."""


class Denoiser(nn.Module):
    """F(x; c_noise, identity, camera): a `UNet2DModel` with e_ID + e_cam as class embedding.

    Args:
        config: Size of the network.
        train: Training split; sets the labels, the image size (need not be square), the cameras'
            mean images and the start of the identity embedding.

    Attributes:
        pids: Sorted identities; their positions are the identity indices.
        camids: Sorted cameras; their positions are the camera indices.
        standardiser: Of the images, by camera.

    Raises:
        UsageError: The image size does not divide into the network's patches and levels.
    """

    def __init__(self, config: DenoiserConfig, train: ImageSet) -> None:
        super().__init__()
        _check_size(config, train)
        self.config, self.pids = config, train.identities
        self.camids: NDArray[np.int64] = np.unique(train.camids)
        self.standardiser = CameraStandardiser(
            train, self.camids, config.downscale, EDM().sigma_data
        )
        channels, levels = 3 * config.patch**2, len(config.widths)
        self.unet = UNet2DModel(
            in_channels=channels + 2,
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
        self.identity = nn.Embedding(len(self.pids), condition)
        self.camera = nn.Embedding(len(self.camids), condition)
        nn.init.zeros_(self.camera.weight)
        nn.init.zeros_(self.unet.conv_out.weight)
        nn.init.zeros_(self.unet.conv_out.bias)
        self._start_identities(train)

    def fold(self, images: Tensor, camera: Tensor) -> Tensor:
        """Turn (B, 3, H, W) images in [0, 1] into the (B, C, h, w) that the network sees."""
        return functional.pixel_unshuffle(
            self.standardiser.standardise(images, camera), self.config.patch
        )

    def unfold(self, folded: Tensor, camera: Tensor) -> Tensor:
        """Turn the network's (B, C, h, w) into (B, 3, H, W) images, about in [0, 1]."""
        return self.standardiser.restore(
            functional.pixel_shuffle(folded, self.config.patch), camera
        )

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
        height, width = folded.shape[2:]
        rows = torch.linspace(-1, 1, height, device=folded.device).view(1, 1, -1, 1)
        columns = torch.linspace(-1, 1, width, device=folded.device).view(1, 1, 1, -1)
        place = [axis.expand(len(folded), 1, height, width) for axis in (rows, columns)]
        seen = torch.cat([folded, *place], dim=1)
        output: Tensor = self.unet(seen, c_noise * _PHASE, class_labels=condition).sample
        return output

    @torch.no_grad()
    def _start_identities(self, train: ImageSet) -> None:
        """Start e_ID as a random projection of the identity's mean standardised colours."""
        camera = torch.from_numpy(np.searchsorted(self.camids, train.camids))
        colours = torch.stack(
            [
                functional.adaptive_avg_pool2d(
                    self.standardiser.standardise(train.tensor(rows), camera[rows]), _CELLS
                )
                .mean(dim=0)
                .flatten()
                for rows in (np.flatnonzero(train.pids == pid) for pid in self.pids)
            ]
        )
        colours = (colours - colours.mean(0)) / (colours.std(0, correction=0) + 1e-3)
        mix = torch.randn(colours.shape[1], self.identity.embedding_dim)
        self.identity.weight.copy_(colours @ mix / colours.shape[1] ** 0.5)


def _check_size(config: DenoiserConfig, train: ImageSet) -> None:
    height, width = train.images.shape[1:3]
    unit = config.downscale * config.patch * 2 ** (len(config.widths) - 1)
    if height % unit or width % unit:
        raise UsageError(
            f"balancing: images of {height}x{width} do not divide by {unit}",
            "lower downscale, patch or widths in balancing_options.diffusion.network of ddid",
        )
