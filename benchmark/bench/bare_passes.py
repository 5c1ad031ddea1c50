"""Bare passes: what a training or an attack cannot do without, and nothing else."""

from __future__ import annotations

import torch

from benchmark.core.device import DevicePolicy
from benchmark.core.encoder import evaluating
from benchmark.models.backbone import BackboneConfig
from benchmark.models.encoder import ReIDModel, build_encoder
from benchmark.training.losses import retrieval_loss, smoothed_targets

_IDENTITIES, _IMAGES = 16, 4


class BarePasses:
    """Passes of one batch, 16 identities with four images each, that lies on the device as floats.

    Args:
        backbone: Which encoder.
        image_size: (H, W).
        policy: Device and precision.
        num_classes: Outputs of the classifier.
    """

    def __init__(
        self,
        backbone: BackboneConfig,
        image_size: tuple[int, int],
        policy: DevicePolicy,
        num_classes: int = 751,
    ) -> None:
        torch.manual_seed(0)
        self._policy = policy
        self.model = policy.place(ReIDModel(build_encoder(backbone), num_classes))
        self._optimizer = torch.optim.Adam(
            self.model.parameters(), lr=1e-5, fused=policy.device.type == "cuda"
        )
        count = _IDENTITIES * _IMAGES
        images = torch.rand(count, 3, *image_size).to(memory_format=torch.channels_last)
        self.images = images.to(policy.device)
        self._labels = torch.arange(count, device=policy.device) // _IMAGES
        self._targets = smoothed_targets(self._labels, num_classes, 0.9)

    def forwards(self, count: int) -> None:
        """Go forward without a gradient."""
        with torch.no_grad(), evaluating(self.model):
            for _ in range(count):
                self.model.encoder(self.images)

    def to_images(self, count: int) -> None:
        """Go forward, and backward to the images."""
        with evaluating(self.model):
            for _ in range(count):
                leaf = self.images.detach().requires_grad_(True)
                torch.autograd.grad(self.model.encoder(leaf).sum(), leaf)

    def update(self, passes: int) -> None:
        """Go forward and backward to the weights so often, and step once."""
        self.model.train()
        self._optimizer.zero_grad(set_to_none=True)
        for _ in range(passes):
            with self._policy.training_precision():
                output = self.model(self.images)
            retrieval_loss(output, self._labels, self._targets, 0.3).backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()
