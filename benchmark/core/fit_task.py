"""What a defense sees of a whole training."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from torch import nn

from benchmark.core.defense import Copies, Defense, Preparation
from benchmark.core.device import DevicePolicy
from benchmark.core.image_set import ImageSet
from benchmark.core.progress import Progress


class FitTask(Protocol):
    """Everything a defense needs to make an encoder.

    Attributes:
        train: Images of the training identities, without the held-out ones.
        held_out: Images of the held-out training identities, for selection.
        policy: Device and precision.
        seed: Seed of the training.
        progress: Where to report progress.
        work_dir: Folder that outlives an interrupted training; for checkpoints and reports.
        image_size: (H, W).
        preparation: What the training images became, and figures for the record.
    """

    train: ImageSet
    held_out: ImageSet
    policy: DevicePolicy
    seed: int
    progress: Progress
    work_dir: Path
    image_size: tuple[int, int]
    preparation: Preparation

    def train_encoder(self, defense: Defense) -> nn.Module:
        """Run the harness's training loop with the defense's hooks; return the encoder."""

    def attacked_images(
        self, encoder: nn.Module, images: ImageSet, name: str, **options: object
    ) -> Copies:
        """Return 8-bit adversarial copies of training images, crafted on a frozen encoder."""

    def encoder_of(self, name: str) -> nn.Module:
        """Return the frozen encoder of a defense named in `Defense.prerequisites`."""
