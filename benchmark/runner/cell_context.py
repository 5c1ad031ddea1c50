"""What cells are computed with: configuration, data, finished cells, and the encoder in use."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from torch import nn

from benchmark.config.schema import RunConfig
from benchmark.core.adaptive import adaptive_view
from benchmark.core.defense import Defense
from benchmark.core.device import DevicePolicy
from benchmark.core.progress import Progress
from benchmark.core.surrogate import SurrogateEnsemble
from benchmark.runner.cells.work import Work
from benchmark.runner.datasets import RunDatasets
from benchmark.runner.store import CellStore


class FinishedTraining(Protocol):
    """A finished training, as cells name it."""

    @property
    def fingerprint(self) -> str:
        """Where its result is."""

    @property
    def plugin(self) -> Defense:
        """The defense."""

    def load(self, folder: Path, context: CellContext) -> nn.Module:
        """Return the encoder that it saved in a folder."""


@dataclass
class CellContext:
    """What cells are computed with, one at a time; holds what neighbouring cells share.

    Attributes:
        config: The configuration.
        datasets: The data sets.
        store: The finished cells.
        policy: Device and precision.
        progress: Where to report.
    """

    config: RunConfig
    datasets: RunDatasets
    store: CellStore
    policy: DevicePolicy
    progress: Progress
    _encoder: tuple[str, nn.Module] | None = field(default=None, init=False)

    def encoder(self, train: FinishedTraining) -> nn.Module:
        """Return the trained encoder on the device, always as it was published."""
        if self._encoder is None or self._encoder[0] != train.fingerprint:
            self.release_encoder()
            self._encoder = (train.fingerprint, self.load(train))
        return self._encoder[1]

    def release_encoder(self) -> None:
        """Give back the memory of the encoder in use."""
        self._encoder = None

    def load(self, train: FinishedTraining) -> nn.Module:
        """Return a trained encoder that nobody else uses."""
        return train.load(self.store.get(train.fingerprint).folder, self)

    def view(self, train: FinishedTraining) -> nn.Module:
        """Return what a white-box attacker differentiates."""
        return adaptive_view(self.encoder(train), train.plugin, self.config.evaluation.eot_samples)

    def ensemble(self, views: Iterable[FinishedTraining]) -> nn.Module:
        """Return what an attacker sees instead of the target."""
        return SurrogateEnsemble([self.load(view) for view in views])

    def work_dir(self, cell: Work) -> Path:
        """Return the folder, made, in which a cell keeps what outlives an interruption."""
        folder = self.store.work_dir(cell)
        folder.mkdir(parents=True, exist_ok=True)
        return folder
