"""Which camera took an image? A small classifier that learns it from real images."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional as F

from benchmark.core.device import DevicePolicy
from benchmark.core.image_set import ImageSet
from benchmark.core.progress import Bar
from benchmark.core.seeding import derive_seed, seed_everything
from benchmark.metrics.embedding import embed_images
from benchmark.models.backbone import BackboneConfig
from benchmark.models.encoder import ReIDModel, build_encoder

_BATCH = 64


class CameraClassifier:
    """Tells the camera of an image.

    Args:
        train: Real images, all cameras of which it learns.
        backbone: Its network.
        policy: Where to run.
        epochs: Passes over the images.
        learning_rate: Peak step size of Adam, which falls to 0 along a cosine.
        seed: Seed of weights and batches.
        bar: Advanced by an epoch at a time.
    """

    def __init__(
        self,
        train: ImageSet,
        backbone: BackboneConfig,
        *,
        policy: DevicePolicy,
        epochs: int,
        learning_rate: float,
        seed: int,
        bar: Bar,
    ) -> None:
        seed_everything(derive_seed(seed, "camera classifier"))
        self._cameras, label = np.unique(train.camids, return_inverse=True)
        self._policy = policy
        self._model = policy.place(ReIDModel(build_encoder(backbone), len(self._cameras))).train()
        optimiser = torch.optim.Adam(self._model.parameters(), lr=learning_rate)
        steps = epochs * -(-len(train) // _BATCH)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
        targets = torch.from_numpy(label)
        for epoch in range(epochs):
            rng = np.random.default_rng(derive_seed(seed, "camera batches", epoch))
            for rows in np.array_split(rng.permutation(len(train)), -(-len(train) // _BATCH)):
                logits = self._model(train.tensor(rows).to(policy.device)).logits
                loss = F.cross_entropy(logits.float(), targets[rows].to(policy.device))
                optimiser.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimiser.step()
                schedule.step()
            bar.advance(1, f"loss {float(loss.detach()):.2f}")

    def cameras(self, images: ImageSet) -> NDArray[np.int64]:
        """Return the camera that each image seems to be from."""
        logits = embed_images(
            _Logits(self._model), images, policy=self._policy, batch=_BATCH, owner="camera"
        )
        found: NDArray[np.int64] = self._cameras[logits.argmax(1).numpy()]
        return found

    def agreement(self, images: ImageSet) -> float:
        """Return the share of images whose camera is the one in their label."""
        return float((self.cameras(images) == images.camids).mean())


class _Logits(nn.Module):
    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.model(images).logits
        return logits
