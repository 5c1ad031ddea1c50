"""The bag-of-tricks encoder: normalise, trunk, global pooling, BNNeck (Luo et al., CVPRW 2019)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from benchmark.core.defense import Output
from benchmark.core.registry import BACKBONES
from benchmark.models.backbone import IMAGENET_MEAN, IMAGENET_STD, Backbone, BackboneConfig


class ReIDEncoder(nn.Module):
    """Maps (B, 3, H, W) images in [0, 1] to (B, D) embeddings after the BNNeck.

    Args:
        trunk: From normalised images to a feature map (B, D, h, w), or to features (B, D).
        embedding_dim: D.
        mean: Of the channels of images, which are normalised with it.
        std: The same.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        trunk: nn.Module,
        embedding_dim: int,
        mean: Sequence[float] = IMAGENET_MEAN,
        std: Sequence[float] = IMAGENET_STD,
    ) -> None:
        super().__init__()
        self.embedding_dim = embedding_dim
        self.trunk = trunk
        self.neck = nn.BatchNorm1d(embedding_dim)
        self.neck.bias.requires_grad_(False)
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1))

    @property
    def last_map(self) -> nn.Module:
        """The module that returns the last feature map (B, C, h, w), if there is one."""
        last: nn.Module = getattr(self.trunk, "last_map", self.trunk)
        return last

    def features(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return features before and embeddings after the BNNeck, (B, D) each."""
        features = self.trunk((images - self.mean) / self.std)
        pooled = features.mean((2, 3)) if features.ndim == 4 else features
        return pooled, self.neck(pooled)

    def forward(self, images: Tensor) -> Tensor:
        """Return the (B, D) embeddings that are ranked."""
        return self.features(images)[1]


class ReIDModel(nn.Module):
    """An encoder with the identity classifier that training needs and evaluation drops."""

    def __init__(self, encoder: ReIDEncoder, num_classes: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.classifier = nn.Linear(encoder.embedding_dim, num_classes, bias=False)
        nn.init.normal_(self.classifier.weight, std=0.001)

    def forward(self, images: Tensor) -> Output:
        """Return features, embeddings and logits of (B, 3, H, W) images."""
        features, embeddings = self.encoder.features(images)
        return Output(features, embeddings, self.classifier(embeddings))


def build_encoder(config: BackboneConfig) -> ReIDEncoder:
    """Return an untrained encoder.

    Raises:
        UsageError: No backbone has this name, or it has no such weights.
        EnvironmentProblem: Published weights cannot be fetched.
    """
    backbone = cast(type[Backbone], BACKBONES.get(config.name))
    trunk, embedding_dim = backbone.build(config)
    return ReIDEncoder(trunk, embedding_dim, backbone.mean, backbone.std)
